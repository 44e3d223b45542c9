//! Settings of the affinity layer.

use serde::Deserialize;
use unstick_affinity::{AffinityLayer, AffinityLayerBuilder, PinCookie};
use unstick_core::{ConfigError, Events, Scope};

use super::value::Plain;

/// Settings of an [`AffinityLayer`]: `enabled` (default yes), `expire`, a list of `{ name, domain, path, cross_site, partitioned }` for
/// cookies that the balancer's operator named, and the risk `allow_sessions_lost_on_other_nodes`.
///
/// ```
/// use unstick::{Scope, config::AffinityConfig};
///
/// let config: AffinityConfig = serde_json::from_str(r#"{ "expire": [{ "name": "SRV", "path": "/shop" }] }"#)?;
/// assert!(config.build(Scope::Shared)?.is_on());
/// assert!(config.build(Scope::Process).is_err(), "users would lose their sessions");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct AffinityConfig {
    enabled: Option<Plain<bool>>,
    #[serde(default)]
    expire: Vec<Pin>,
    allow_sessions_lost_on_other_nodes: Option<Plain<bool>>,
    #[serde(skip)]
    events: Events,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    name: String,
    domain: Option<String>,
    path: Option<String>,
    cross_site: Option<Plain<bool>>,
    partitioned: Option<Plain<bool>>,
}

impl Pin {
    fn cookie(&self) -> Result<PinCookie, ConfigError> {
        let mut cookie = PinCookie::new(&self.name)?;
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain)?;
        }
        if let Some(path) = &self.path {
            cookie = cookie.path(path)?;
        }
        if self.cross_site.is_some_and(|Plain(on)| on) {
            cookie = cookie.cross_site();
        }
        if self.partitioned.is_some_and(|Plain(on)| on) {
            cookie = cookie.partitioned();
        }
        Ok(cookie)
    }
}

impl AffinityConfig {
    /// Where events go, with the instance's name. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Builds the layer for a service whose sessions reach so far: the session layer's `scope()`.
    ///
    /// # Errors
    /// One sentence that names the settings.
    pub fn build(&self, sessions: Scope) -> Result<AffinityLayer, ConfigError> {
        self.builder(sessions)?.build()
    }

    /// The layer's builder, for what only code can say.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn builder(&self, sessions: Scope) -> Result<AffinityLayerBuilder, ConfigError> {
        let mut builder = AffinityLayer::builder().sessions(sessions).events(self.events.clone());
        for pin in &self.expire {
            builder = builder.expire(pin.cookie()?);
        }
        if let Some(Plain(enabled)) = self.enabled {
            builder = builder.switch(enabled);
        }
        if self.allow_sessions_lost_on_other_nodes.is_some_and(|Plain(on)| on) {
            builder = builder.allow_sessions_lost_on_other_nodes();
        }
        Ok(builder)
    }
}
