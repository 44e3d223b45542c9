//! What the process holds. Whether a value may be used is decided by its entry alone: the library that keeps them bounds and drops.
//!
//! moka is the default. quick_cache was measured because its hits take a tenth to a quarter of moka's; within this cache they take
//! two fifths to a half (`cargo xtask bench cache`), and its answers are right, so that it is there for who asks for it.
//!
//! Both hash with the standard library's keyed SipHash: clients choose keys, and none should be able to make them collide.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::builder::Weigher;
use crate::{
    CacheKey,
    entry::{Content, Entry},
};

pub(crate) enum L1<K, V> {
    Moka(moka::sync::Cache<K, Entry<V>>),
    #[cfg(feature = "quick-cache")]
    Quick(super::quick::Quick<K, V>),
}

impl<K: CacheKey, V: Clone + Send + Sync + 'static> L1<K, V> {
    /// Without lifetimes: an entry knows its own, and moka's would cost every hit a look at them and every value a place in one more list. What
    /// has ended stays until its room is needed.
    pub(super) fn moka(capacity: u64, weigher: Option<Weigher<K, V>>) -> Self {
        let mut builder = moka::sync::Cache::builder().max_capacity(capacity);
        if let Some(weigh) = weigher {
            builder = builder.weigher(move |key, entry: &Entry<V>| weight(&weigh, key, entry));
        }
        Self::Moka(builder.build())
    }

    /// A copy.
    pub(crate) fn get(&self, key: &K) -> Option<Entry<V>> {
        match self {
            Self::Moka(moka) => moka.get(key),
            #[cfg(feature = "quick-cache")]
            Self::Quick(quick) => quick.get(key),
        }
    }

    pub(crate) fn insert(&self, key: K, entry: Entry<V>) {
        match self {
            Self::Moka(moka) => moka.insert(key, entry),
            #[cfg(feature = "quick-cache")]
            Self::Quick(quick) => quick.insert(key, entry),
        }
    }

    /// Unless what is there was read later: two loads of one key may be under way, one of them for a client that is ahead.
    pub(crate) fn insert_newer(&self, key: K, entry: Entry<V>) {
        if self.get(&key).is_none_or(|kept| (kept.start, kept.read_at) <= (entry.start, entry.read_at)) {
            self.insert(key, entry);
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Moka(moka) => {
                moka.run_pending_tasks();
                moka.entry_count()
            }
            #[cfg(feature = "quick-cache")]
            Self::Quick(quick) => quick.len(),
        }
    }
}

/// What cannot be weighed is too heavy; a panic would leave a library half done.
pub(super) fn weight<K, V>(weigh: &Weigher<K, V>, key: &K, entry: &Entry<V>) -> u32 {
    match &entry.content {
        Content::Value(value) => catch_unwind(AssertUnwindSafe(|| weigh(key, value))).unwrap_or(u32::MAX),
        Content::Absent | Content::Failed(_) => 1,
    }
}

impl<K, V> fmt::Debug for L1<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moka(_) => f.write_str("L1(moka)"),
            #[cfg(feature = "quick-cache")]
            Self::Quick(_) => f.write_str("L1(quick_cache)"),
        }
    }
}
