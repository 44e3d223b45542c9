//! One load per key: who leads it and who joins it.
//!
//! A caller never joins a load that an invalidation has made worthless: it leads a new one, which takes the old one's place.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, PoisonError},
};

use super::sync::Mutex;

pub(crate) const SHARDS: usize = 32;

/// Loads under way. `F` is what callers wait for.
pub(crate) struct Flights<K, F> {
    shards: Box<[Shard<K, F>]>,
    hasher: RandomState,
}

type Shard<K, F> = Mutex<HashMap<K, Arc<F>>>;

/// What a caller does.
#[derive(Debug)]
pub(crate) enum Role<F> {
    Lead(Arc<F>),
    Join(Arc<F>),
}

impl<K: Hash + Eq + Clone, F> Flights<K, F> {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect(), hasher: RandomState::new() }
    }

    #[allow(clippy::cast_possible_truncation, reason = "any bits will do")]
    fn shard(&self, key: &K) -> &Shard<K, F> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// Joins the load under way if it is `usable`, and otherwise leads a new one.
    pub(crate) fn enter(&self, key: &K, usable: impl FnOnce(&F) -> bool, new: impl FnOnce() -> F) -> Role<F> {
        let mut flights = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key)
            && usable(flight)
        {
            return Role::Join(flight.clone());
        }
        let flight = Arc::new(new());
        flights.insert(key.clone(), flight.clone());
        Role::Lead(flight)
    }

    /// The load is over; a newer one for the same key stays.
    pub(crate) fn leave(&self, key: &K, flight: &Arc<F>) {
        let mut flights = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            flights.remove(key);
            // a burst of misses should not be remembered for ever
            if flights.is_empty() && flights.capacity() > 1024 {
                flights.shrink_to_fit();
            }
        }
    }

    /// For how many there is room.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).capacity()).sum()
    }

    /// How many are under way.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

impl<K, F> fmt::Debug for Flights<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}
