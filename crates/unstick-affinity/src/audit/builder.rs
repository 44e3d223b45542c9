//! Building the audit.

use unstick_core::{ConfigError, Events, Runtime};

use super::{Audit, checker::Config};
use crate::form::is_cookie_name;

/// Builds an [`Audit`].
#[derive(Debug)]
#[must_use]
pub struct AuditBuilder(Config);

impl AuditBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self(Config {
            name: name.to_owned(),
            former: Vec::new(),
            runtime: Runtime::default(),
            events: Events::default(),
            is_https: false,
            unreturned: 20,
        })
    }

    /// Where findings go as [`CookieMisconfigured`](unstick_core::EventKind::CookieMisconfigured) events. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.0.events = events;
        self
    }

    /// Clock. Default [`Runtime::tokio`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.0.runtime = runtime;
        self
    }

    /// Another name the cookie has, or had, on other nodes and releases. Names that differ in the prefix only
    /// (`session`, `__Secure-session`, `__Host-session`) are known without.
    pub fn also_called(mut self, name: &str) -> Self {
        self.0.former.push(name.to_owned());
        self
    }

    /// Every client comes over HTTPS, whatever `X-Forwarded-Proto` says: for a proxy in between that writes `http` there.
    pub fn assume_https(mut self) -> Self {
        self.0.is_https = true;
        self
    }

    /// After how many new cookies, given to browsers that had been here just before, [`NeverReturned`](super::FindingKind::NeverReturned)
    /// is told while not one came back. Default 20.
    pub fn unreturned(mut self, cookies: u32) -> Self {
        self.0.unreturned = cookies;
        self
    }

    /// Finishes.
    ///
    /// # Errors
    /// When a name cannot be a cookie's name, or [`unreturned`](Self::unreturned) is 0.
    pub fn build(self) -> Result<Audit, ConfigError> {
        if let Some(name) = std::iter::once(&self.0.name).chain(&self.0.former).find(|name| !is_cookie_name(name.as_bytes())) {
            return Err(ConfigError::new(format!(
                "`{}` cannot be a cookie's name: use visible ASCII without `=`, `;`, `,` and quotes",
                name.escape_default()
            )));
        }
        if self.0.unreturned == 0 {
            return Err(ConfigError::new("`unreturned` is 0: the first cookie cannot have come back; use at least 1"));
        }
        Ok(Audit::new(self.0))
    }
}
