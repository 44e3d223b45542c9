//! What the process holds, on moka. Whether a value may be used is decided by its entry alone; moka bounds and drops.

use std::{fmt, sync::Arc, time::Duration};

use super::builder::Weigher;
use crate::{
    CacheKey,
    entry::{Content, Entry},
};

pub(crate) struct L1<K, V>(moka::sync::Cache<K, Arc<Entry<V>>>);

impl<K: CacheKey, V: Clone + Send + Sync + 'static> L1<K, V> {
    /// `longest`: after how long no entry is of any use.
    pub(super) fn new(capacity: u64, weigher: Option<Weigher<K, V>>, longest: Duration) -> Self {
        let mut builder = moka::sync::Cache::builder().max_capacity(capacity);
        // moka refuses more than a thousand years
        if longest < Duration::from_secs(60 * 60 * 24 * 365 * 100) {
            builder = builder.time_to_live(longest);
        }
        if let Some(weigh) = weigher {
            builder = builder.weigher(move |key, entry: &Arc<Entry<V>>| match &entry.content {
                Content::Value(value) => weigh(key, value),
                Content::Absent | Content::Failed(_) => 1,
            });
        }
        Self(builder.build())
    }

    pub(crate) fn get(&self, key: &K) -> Option<Arc<Entry<V>>> {
        self.0.get(key)
    }

    pub(crate) fn insert(&self, key: K, entry: Arc<Entry<V>>) {
        self.0.insert(key, entry);
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }
}

impl<K, V> fmt::Debug for L1<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("L1(moka)")
    }
}
