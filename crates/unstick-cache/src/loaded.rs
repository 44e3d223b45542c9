//! What a loader returns: a value, or that there is none, and what is to be known of it.
//!
//! ```
//! use std::time::Duration;
//! use unstick_cache::{Loaded, Namespace};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let shop = Namespace::local("shop")?;
//! let prices = shop.cache::<u64, u32>("prices").build()?;
//! // Tags that only the loaded value tells, and a lifetime of its own.
//! let load = || async { Ok::<_, std::io::Error>(Loaded::new(99).tag("campaign:7").ttl(Duration::from_secs(5))) };
//! assert_eq!(prices.get_or_load(1, load).await.unwrap(), 99);
//! shop.invalidate_tag("campaign:7").await;
//! assert_eq!(prices.get(&1), None);
//! # Ok::<(), unstick_core::ConfigError>(()) }).unwrap();
//! ```

use std::time::Duration;

/// What a loader returns. A plain value or an `Option` turns into it. See the [module docs](self).
#[derive(Debug, Clone)]
#[must_use]
pub struct Loaded<V> {
    pub(crate) value: Option<V>,
    pub(crate) tags: Vec<String>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) is_kept: bool,
}

impl<V> Loaded<V> {
    /// A value.
    pub const fn new(value: V) -> Self {
        Self { value: Some(value), tags: Vec::new(), ttl: None, is_kept: true }
    }

    /// There is none; kept for the cache's negative lifetime.
    pub const fn absent() -> Self {
        Self { value: None, tags: Vec::new(), ttl: None, is_kept: true }
    }

    /// Adds a tag to those of the cache's own [`tags`](crate::CacheBuilder::tags).
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// How long this value stays fresh. Default: the cache's, which is also the most. For what was read from a replica that lags: little.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Answers those who wait for it, and keeps it nowhere.
    pub const fn not_kept(mut self) -> Self {
        self.is_kept = false;
        self
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        value.map_or_else(Self::absent, Self::new)
    }
}
