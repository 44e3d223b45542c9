//! Settings of a cache's namespace, and of a cache.

use std::time::Duration;

use serde::Deserialize;
use unstick_cache::{CacheBuilder, CacheKey, Namespace, NamespaceBuilder};
use unstick_core::{ConfigError, Events, Runtime};

use super::{
    secret::Secret,
    value::{Plain, Time},
};

/// Settings of a [`Namespace`], with its bus and its level. See the [module docs](super#caches) for all of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct NamespaceConfig {
    name: String,
    level: Option<Secret>,
    bus: Option<Secret>,
    level_deadline: Option<Time>,
    level_pause: Option<Time>,
    bus_deadline: Option<Time>,
    alive_for: Option<Time>,
    clamp: Option<Time>,
    stripes: Option<Plain<u32>>,
    #[serde(skip)]
    events: Events,
    #[serde(skip)]
    runtime: Runtime,
}

impl NamespaceConfig {
    /// Where events of the namespace, its level and its bus go. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Clocks, timers and tasks. Default: [`Runtime::tokio`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Opens level and bus, and builds the namespace.
    ///
    /// # Errors
    /// One sentence that names the settings, or says why level or bus cannot be opened.
    pub async fn build(&self) -> Result<Namespace, ConfigError> {
        self.builder().await?.build().await
    }

    /// Opens level and bus, and makes the namespace's builder, for what only code can say.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub async fn builder(&self) -> Result<NamespaceBuilder, ConfigError> {
        let mut builder = Namespace::builder(&self.name).events(self.events.clone()).runtime(self.runtime.clone());
        if let Some(url) = &self.level {
            builder = builder.level(crate::level::open(&url.read("level")?, &self.runtime, &self.events).await?);
        }
        if let Some(url) = &self.bus {
            builder = builder.bus(crate::bus::open(&url.read("bus")?, &self.runtime, &self.events).await?);
        }
        let set = |builder: NamespaceBuilder, time: Option<Time>, with: fn(NamespaceBuilder, Duration) -> NamespaceBuilder| match time {
            Some(Time(time)) => with(builder, time),
            None => builder,
        };
        builder = set(builder, self.level_deadline, NamespaceBuilder::level_deadline);
        builder = set(builder, self.level_pause, NamespaceBuilder::level_pause);
        builder = set(builder, self.bus_deadline, NamespaceBuilder::bus_deadline);
        builder = set(builder, self.alive_for, NamespaceBuilder::alive_for);
        builder = set(builder, self.clamp, NamespaceBuilder::clamp);
        if let Some(Plain(stripes)) = self.stripes {
            builder = builder.stripes(stripes);
        }
        Ok(builder)
    }
}

/// Settings of a cache that may differ from one environment to the next. See the [module docs](super#caches) for all of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct CacheConfig {
    ttl: Option<Time>,
    l1_ttl: Option<Time>,
    negative_ttl: Option<Time>,
    jitter: Option<Plain<f64>>,
    capacity: Option<Plain<u64>>,
    stale_if_error: Option<Time>,
    throttle: Option<Time>,
    back_off: Option<Time>,
    soft_timeout: Option<Time>,
    hard_timeout: Option<Time>,
    load_limit: Option<Time>,
    early_refresh: Option<Plain<f64>>,
    lease: Option<Time>,
}

impl CacheConfig {
    /// Puts what is set into a builder; what only code can say (tags, schema, whether it is shared) stays as it is there.
    pub fn apply<K: CacheKey, V: Clone + Send + Sync + 'static>(&self, builder: CacheBuilder<K, V>) -> CacheBuilder<K, V> {
        type With<K, V> = fn(CacheBuilder<K, V>, Duration) -> CacheBuilder<K, V>;
        let times: [(Option<Time>, With<K, V>); 10] = [
            (self.ttl, CacheBuilder::ttl),
            (self.l1_ttl, CacheBuilder::l1_ttl),
            (self.negative_ttl, CacheBuilder::negative_ttl),
            (self.stale_if_error, CacheBuilder::stale_if_error),
            (self.throttle, CacheBuilder::throttle),
            (self.back_off, CacheBuilder::back_off),
            (self.soft_timeout, CacheBuilder::soft_timeout),
            (self.hard_timeout, CacheBuilder::hard_timeout),
            (self.load_limit, CacheBuilder::load_limit),
            (self.lease, CacheBuilder::lease),
        ];
        let mut builder = times.into_iter().fold(builder, |builder, (time, with)| match time {
            Some(Time(time)) => with(builder, time),
            None => builder,
        });
        if let Some(Plain(share)) = self.jitter {
            builder = builder.jitter(share);
        }
        if let Some(Plain(capacity)) = self.capacity {
            builder = builder.capacity(capacity);
        }
        if let Some(Plain(beta)) = self.early_refresh {
            builder = builder.early_refresh(beta);
        }
        builder
    }
}
