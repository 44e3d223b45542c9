//! What the process holds, in quick_cache.
//!
//! It calls what it is given while it holds a lock, the weigher and the copying of values among it. Neither is the application's here: weights are
//! taken before, and values lie behind a pointer.

use std::{hash::RandomState, sync::Arc};

use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{builder::Weigher, l1::weight};
use crate::{CacheKey, entry::Entry};

/// With a weigher nobody knows how many values there will be; quick_cache sets aside room for so many.
const GUESSED: u64 = 10_000;

pub(crate) struct Quick<K, V> {
    held: Cache<K, Weighed<V>, ByWeight, RandomState>,
    weigher: Option<Weigher<K, V>>,
}

struct Weighed<V> {
    entry: Arc<Entry<V>>,
    weight: u32,
}

impl<V> Clone for Weighed<V> {
    fn clone(&self) -> Self {
        Self { entry: self.entry.clone(), weight: self.weight }
    }
}

#[derive(Clone)]
struct ByWeight;

impl<K, V> Weighter<K, Weighed<V>> for ByWeight {
    fn weight(&self, _: &K, value: &Weighed<V>) -> u64 {
        // what weighs nothing is never dropped
        u64::from(value.weight).max(1)
    }
}

impl<K: CacheKey, V: Clone + Send + Sync + 'static> Quick<K, V> {
    pub(super) fn new(capacity: u64, weigher: Option<Weigher<K, V>>) -> Self {
        let values = if weigher.is_some() { capacity.min(GUESSED) } else { capacity };
        let values = usize::try_from(values).unwrap_or(usize::MAX);
        Self { held: Cache::with(values, capacity, ByWeight, RandomState::new(), DefaultLifecycle::default()), weigher }
    }

    pub(super) fn get(&self, key: &K) -> Option<Entry<V>> {
        let found = self.held.get(key)?;
        Some(Entry::clone(&found.entry))
    }

    pub(super) fn insert(&self, key: K, entry: Entry<V>) {
        let weight = self.weigher.as_ref().map_or(1, |weigh| weight(weigh, &key, &entry));
        self.held.insert(key, Weighed { entry: Arc::new(entry), weight });
    }

    pub(super) fn len(&self) -> u64 {
        self.held.len() as u64
    }
}
