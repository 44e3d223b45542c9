//! Settings of a monitor.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use unstick_core::{BoxFuture, ConfigError};

use super::{Monitor, check};
use crate::{Cache, CacheKey};

pub(super) type Source<K, V> = Arc<dyn Fn(K) -> BoxFuture<'static, Result<Option<V>, ()>> + Send + Sync>;

/// Settings of a [`Monitor`]. See the [module docs](super).
#[must_use]
pub struct MonitorBuilder<K, V> {
    cache: Cache<K, V>,
    source: Source<K, V>,
    share: f64,
    after: Vec<Duration>,
    most: usize,
}

impl<K: CacheKey, V: Clone + PartialEq + Send + Sync + 'static> Cache<K, V> {
    /// A monitor that compares what is held with `source`, which must not read through a cache.
    pub fn monitor<F, T, E>(&self, source: F) -> MonitorBuilder<K, V>
    where
        F: Fn(K) -> T + Send + Sync + 'static,
        T: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let source: Source<K, V> = Arc::new(move |key| {
            let value = source(key);
            Box::pin(async move { value.await.map_err(drop) })
        });
        let after = [1, 60, 300].map(Duration::from_secs).to_vec();
        MonitorBuilder { cache: self.clone(), source, share: 0.01, after, most: 1000 }
    }
}

impl<K: CacheKey, V: Clone + PartialEq + Send + Sync + 'static> MonitorBuilder<K, V> {
    /// The share of all keys to watch, from above 0 to 1. Default: 0.01.
    pub const fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// How long after an invalidation to compare. Default: 1 s, 1 min and 5 min.
    pub fn after(mut self, times: impl IntoIterator<Item = Duration>) -> Self {
        self.after = times.into_iter().collect();
        self
    }

    /// The most keys to remember, and the most comparisons to have before it: more are skipped and counted. Default: 1000.
    pub const fn most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Starts it. It ends when the last clone of it is dropped.
    ///
    /// # Errors
    /// When a setting is out of range, or the cache has a monitor already; one that has ended counts, too.
    pub fn start(self) -> Result<Monitor, ConfigError> {
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(ConfigError::new("`share` must be above 0 and at most 1: it is the share of keys to watch"));
        }
        if self.after.is_empty() || self.most == 0 {
            return Err(ConfigError::new("`after` needs a time and `most` a number: otherwise nothing is compared"));
        }
        check::start(self.cache, self.source, self.share, self.after, self.most)
    }
}

impl<K, V> fmt::Debug for MonitorBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorBuilder").field("share", &self.share).field("after", &self.after).finish_non_exhaustive()
    }
}
