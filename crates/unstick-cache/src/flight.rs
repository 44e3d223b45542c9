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

const SHARDS: usize = 32;

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
}

impl<K, F> fmt::Debug for Flights<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flying(flights: &Flights<u64, u64>) -> usize {
        flights.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    #[test]
    fn a_million_leave_nothing_behind() {
        let flights = Flights::new();
        let mut under_way = Vec::new();
        for key in 0..1_000_000 {
            let Role::Lead(flight) = flights.enter(&key, |_| true, || key) else { panic!("nobody else does") };
            under_way.push((key, flight));
            if under_way.len() == 100_000 {
                assert_eq!(flying(&flights), 100_000);
                under_way.drain(..).for_each(|(key, flight)| flights.leave(&key, &flight));
                assert_eq!(flying(&flights), 0);
            }
        }
        let room: usize = flights.shards.iter().map(|shard| shard.lock().unwrap().capacity()).sum();
        assert!(room <= SHARDS * 2048, "{room}");
    }

    proptest! {
        /// As a map of at most one load per key: the newest.
        #[test]
        fn the_newest_load_of_a_key_is_joined(steps in prop::collection::vec((0_u64..3, 0_u8..3), 0..60)) {
            let flights = Flights::new();
            let (mut led, mut model) = (Vec::new(), HashMap::new());
            for (number, (key, what)) in (0_u64..).zip(steps) {
                if what == 0 && !led.is_empty() {
                    let (key, flight): (u64, Arc<u64>) = led.swap_remove(led.len() / 2);
                    flights.leave(&key, &flight);
                    if model.get(&key) == Some(&*flight) {
                        model.remove(&key);
                    }
                    continue;
                }
                match flights.enter(&key, |_| what == 1, || number) {
                    Role::Join(flight) => prop_assert!(what == 1 && model.get(&key) == Some(&*flight)),
                    Role::Lead(flight) => {
                        prop_assert!(what == 2 || what == 0 || !model.contains_key(&key));
                        prop_assert_eq!(*flight, number);
                        model.insert(key, number);
                        led.push((key, flight));
                    }
                }
            }
            prop_assert_eq!(flying(&flights), model.len());
        }
    }
}
