//! What the process holds, on moka. Whether a value may be used is decided by its entry alone; moka bounds and drops.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

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
                // what cannot be weighed is too heavy; a panic would leave moka half done
                Content::Value(value) => catch_unwind(AssertUnwindSafe(|| weigh(key, value))).unwrap_or(u32::MAX),
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

    /// Unless what is there was read later: two loads of one key may be under way, one of them for a client that is ahead.
    pub(crate) fn insert_newer(&self, key: K, entry: Arc<Entry<V>>) {
        if self.get(&key).is_none_or(|kept| (kept.start, kept.read_at) <= (entry.start, entry.read_at)) {
            self.insert(key, entry);
        }
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
