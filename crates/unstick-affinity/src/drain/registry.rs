//! What is being served. Entering and leaving cost one short lock of one of several, and no allocation once warm.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, Uri};
use tokio::sync::Notify;

use super::{name::name_of, outcome::InFlight};

const SHARDS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
    turn: AtomicUsize,
    count: AtomicUsize,
    is_draining: AtomicBool,
    idle: Notify,
}

/// Slots with a free list.
#[derive(Default)]
struct Shard {
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// Requests that ended while draining. Here, so that a look at both finds each request once.
    finished: u64,
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.slots.len() - self.free.len())
    }
}

/// The name is made only when somebody asks for it.
#[derive(Clone)]
struct Entry {
    method: Method,
    uri: Uri,
    began: Duration,
}

impl Registry {
    fn shard(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.shards[index % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, until the ticket is dropped.
    pub(super) fn enter(self: &Arc<Self>, method: &Method, uri: &Uri, now: Duration) -> Ticket {
        let entry = Entry { method: method.clone(), uri: uri.clone(), began: now };
        let shard = self.turn.fetch_add(1, Ordering::Relaxed) % SHARDS;
        self.count.fetch_add(1, Ordering::AcqRel);
        let mut slots = self.shard(shard);
        let slot = match slots.free.pop() {
            Some(slot) => {
                slots.slots[slot] = Some(entry);
                slot
            }
            None => {
                slots.slots.push(Some(entry));
                slots.slots.len() - 1
            }
        };
        drop(slots);
        Ticket { registry: self.clone(), shard, slot }
    }

    fn leave(&self, shard: usize, slot: usize) {
        let mut slots = self.shard(shard);
        let entry = slots.slots.get_mut(slot).and_then(Option::take);
        slots.free.push(slot);
        slots.finished += u64::from(self.is_draining());
        drop(slots);
        drop(entry);
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    pub(super) fn set_draining(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// How many requests have ended while draining.
    pub(super) fn finished(&self) -> u64 {
        (0..SHARDS).map(|shard| self.shard(shard).finished).sum()
    }

    /// Completes at a moment at which nothing is being served.
    pub(super) async fn idle(&self) {
        loop {
            // Knows of notifications from here on.
            let notified = self.idle.notified();
            if self.count() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// What is being served, the oldest first.
    pub(super) fn list(&self, now: Duration) -> Vec<InFlight> {
        self.census(now).0
    }

    /// What is being served, the oldest first, and how many requests have ended while draining: each is one or the other.
    pub(super) fn census(&self, now: Duration) -> (Vec<InFlight>, u64) {
        let (mut entries, mut finished) = (Vec::<Entry>::new(), 0);
        for shard in 0..SHARDS {
            let shard = self.shard(shard);
            entries.extend(shard.slots.iter().flatten().cloned());
            finished += shard.finished;
        }
        entries.sort_by_key(|entry| entry.began);
        let named = |entry: Entry| InFlight { name: name_of(&entry.method, entry.uri.path()), age: now.saturating_sub(entry.began) };
        (entries.into_iter().map(named).collect(), finished)
    }
}

/// Held while a request is being served.
pub(super) struct Ticket {
    registry: Arc<Registry>,
    shard: usize,
    slot: usize,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.registry.leave(self.shard, self.slot);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_oldest_is_named_first() {
        let registry = Arc::new(Registry::default());
        let enter = |path: &'static str, at| registry.enter(&Method::GET, &Uri::from_static(path), Duration::from_secs(at));
        let (_new, _old) = (enter("/new?token=x", 5), enter("/old", 2));
        let list = registry.list(Duration::from_secs(9));
        assert_eq!(list.iter().map(|one| (one.name.as_str(), one.age.as_secs())).collect::<Vec<_>>(), [("GET /old", 7), ("GET /new", 4)]);
    }

    #[test]
    fn who_leaves_during_the_census_is_counted_once() {
        const TICKETS: usize = 2000;
        let registry = Arc::new(Registry::default());
        registry.set_draining();
        let tickets: Vec<_> = (0..TICKETS).map(|_| registry.enter(&Method::GET, &Uri::from_static("/"), Duration::ZERO)).collect();
        let leaving = std::thread::spawn(move || drop(tickets));
        let mut is_over = false;
        while !is_over {
            is_over = leaving.is_finished();
            let (left, finished) = registry.census(Duration::ZERO);
            assert_eq!(left.len() + usize::try_from(finished).unwrap(), TICKETS);
        }
        leaving.join().unwrap();
        assert_eq!((registry.count(), registry.finished()), (0, TICKETS as u64));
    }

    proptest! {
        #[test]
        fn every_ticket_counts_once(steps in prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 0..200)) {
            let registry = Arc::new(Registry::default());
            let mut tickets = Vec::new();
            let mut left = 0;
            for (number, step) in steps.into_iter().enumerate() {
                if number == 50 {
                    registry.set_draining();
                }
                match step {
                    Some(index) if !tickets.is_empty() => {
                        drop(tickets.swap_remove(index.index(tickets.len())));
                        left += u64::from(number >= 50);
                    }
                    _ => tickets.push(registry.enter(&Method::GET, &Uri::from_static("/"), Duration::ZERO)),
                }
                prop_assert_eq!(registry.count(), tickets.len());
                prop_assert_eq!(registry.list(Duration::ZERO).len(), tickets.len());
                prop_assert_eq!(registry.finished(), left);
            }
        }
    }
}
