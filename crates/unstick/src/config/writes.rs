//! Settings of the read-your-writes layer.

use serde::Deserialize;
use unstick_cache::{
    Namespace, ReadYourWritesLayer,
    writes::{ReadYourWritesBuilder, WritesCookie},
};
use unstick_core::ConfigError;

use super::{
    keys::Keys,
    value::{Plain, Time},
};

/// Settings of a [`ReadYourWritesLayer`]. See the [module docs](super#caches) for all of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct ReadYourWritesConfig {
    keys: Keys,
    cookie: Option<Cookie>,
    header: Option<String>,
    age_limit: Option<Time>,
    tolerated_skew: Option<Time>,
    max_bytes: Option<Plain<usize>>,
    max_slots: Option<Plain<usize>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Cookie {
    name: Option<String>,
    domain: Option<String>,
    cross_site: Option<Plain<bool>>,
    partitioned: Option<Plain<bool>>,
    insecure_without_tls: Option<Plain<bool>>,
}

impl ReadYourWritesConfig {
    /// The layer for the caches of a namespace.
    ///
    /// # Errors
    /// One sentence that names the settings.
    pub fn build(&self, namespace: &Namespace) -> Result<ReadYourWritesLayer, ConfigError> {
        self.builder(namespace)?.build()
    }

    /// The layer's builder, for what only code can say.
    ///
    /// # Errors
    /// When keys or cookie cannot be used; the sentence names the setting.
    pub fn builder(&self, namespace: &Namespace) -> Result<ReadYourWritesBuilder, ConfigError> {
        let mut builder = ReadYourWritesLayer::new(namespace, self.keys.ring("keys")?);
        if let Some(cookie) = &self.cookie {
            builder = builder.cookie(cookie.config()?);
        }
        if let Some(header) = &self.header {
            builder = builder.header(header);
        }
        if let Some(Time(limit)) = self.age_limit {
            builder = builder.age_limit(limit);
        }
        if let Some(Time(skew)) = self.tolerated_skew {
            builder = builder.tolerated_skew(skew);
        }
        if let Some(Plain(bytes)) = self.max_bytes {
            builder = builder.max_bytes(bytes);
        }
        if let Some(Plain(slots)) = self.max_slots {
            builder = builder.max_slots(slots);
        }
        Ok(builder)
    }
}

impl Cookie {
    fn config(&self) -> Result<WritesCookie, ConfigError> {
        let is_on = |flag: Option<Plain<bool>>| flag.is_some_and(|Plain(on)| on);
        let mut cookie = match &self.name {
            Some(name) => WritesCookie::new(name)?,
            None => WritesCookie::default(),
        };
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain);
        }
        if is_on(self.cross_site) {
            cookie = cookie.cross_site();
        }
        if is_on(self.partitioned) {
            cookie = cookie.partitioned();
        }
        if is_on(self.insecure_without_tls) {
            cookie = cookie.insecure_without_tls();
        }
        Ok(cookie)
    }
}
