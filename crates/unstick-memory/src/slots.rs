//! Where the records are, and which of them die next.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use unstick_core::{Life, Record, RecordKey, Timestamp};

/// A dead record is kept this long, so that late writers find it expired rather than missing.
pub(crate) const SLACK: Duration = Duration::from_secs(300);

/// Record keys are cryptographic hashes already: eight of their bytes are as good as any hash of them.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_ne_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a lock guards: a record, and whether it has left the map.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) record: Record,
    gone: bool,
}

/// One session's place. The record changes in place, under the slot's own lock.
#[derive(Debug)]
pub(crate) struct Slot(Mutex<State>);

impl Slot {
    /// The record; `None` when it was collected since the slot was looked up.
    pub(crate) fn lock(&self) -> Option<MutexGuard<'_, State>> {
        // A poisoned lock is as good as any: records are replaced whole, never left half changed.
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!state.gone).then_some(state)
    }

    /// As [`lock`](Self::lock); outer `None` while somebody else holds the record.
    fn try_lock(&self) -> Option<Option<MutexGuard<'_, State>>> {
        let state = match self.0.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some((!state.gone).then_some(state))
    }
}

/// When a record is dead, as far as is known now.
fn death(record: &Record) -> Timestamp {
    match record.life {
        Life::Ended { until, .. } => until,
        Life::Live => record.idle_deadline.min(record.absolute_deadline),
    }
}

/// What a collection found dead, so that others can be told.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) key: RecordKey,
    pub(crate) principal: Option<Arc<str>>,
}

/// The slots by key, in shards of their own locks, each held for one look-up. Nothing leaves by itself.
#[derive(Debug)]
struct Map(Box<[Mutex<Shard>]>);

type Shard = HashMap<RecordKey, Arc<Slot>, BuildHasherDefault<KeyHasher>>;

/// So many that a shard of a store with a million sessions grows in a fraction of a millisecond. A byte of the key says which.
const SHARDS: usize = 256;

impl Map {
    fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn shard(&self, key: &RecordKey) -> MutexGuard<'_, Shard> {
        // One of the bytes that the hasher does not look at.
        let at = usize::from(key.as_bytes()[31]);
        self.0[at % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &RecordKey) -> Option<Arc<Slot>> {
        self.shard(key).get(key).cloned()
    }

    /// Puts `record` where there is none; the slot that is there otherwise.
    fn insert(&self, key: RecordKey, record: Record) -> Result<(), Arc<Slot>> {
        match self.shard(&key).entry(key) {
            Entry::Occupied(there) => Err(there.get().clone()),
            Entry::Vacant(place) => {
                place.insert(Arc::new(Slot(Mutex::new(State { record, gone: false }))));
                Ok(())
            }
        }
    }

    fn remove(&self, key: &RecordKey) {
        let mut shard = self.shard(key);
        shard.remove(key);
        // What many sessions took is given back when they are gone.
        if shard.capacity() > 64 && shard.len() < shard.capacity() / 8 {
            let twice = shard.len() * 2;
            shard.shrink_to(twice);
        }
    }
}

/// All records by key, in order of their death, and counted.
///
/// Lock order: the index, then a slot, then a shard of the map or `deaths`.
#[derive(Debug)]
pub(crate) struct Slots {
    map: Map,
    /// At least one entry per record, not later than its death. Renewed records are put back when their turn comes.
    deaths: Mutex<BinaryHeap<Reverse<(Timestamp, RecordKey)>>>,
    sessions: AtomicUsize,
    max_sessions: usize,
}

impl Slots {
    pub(crate) fn new(max_sessions: usize) -> Self {
        Self { map: Map::new(), deaths: Mutex::default(), sessions: AtomicUsize::new(0), max_sessions }
    }

    pub(crate) fn get(&self, key: &RecordKey) -> Option<Arc<Slot>> {
        self.map.get(key)
    }

    /// What `look` makes of the record under `key`, or of its absence. `None`, and at once, while somebody else holds the record.
    ///
    /// Against the lock order, under the shard's lock: it does not wait for the slot's. `look` must be short, and nobody else's code.
    #[inline]
    pub(crate) fn glance<T>(&self, key: &RecordKey, look: impl FnOnce(Option<&Record>) -> T) -> Option<T> {
        let shard = self.map.shard(key);
        let Some(slot) = shard.get(key) else { return Some(look(None)) };
        let state = slot.try_lock()?;
        Some(look(state.as_deref().map(|state| &state.record)))
    }

    /// Puts a record where there is none; the slot that is there otherwise.
    pub(crate) fn insert(&self, key: RecordKey, record: Record) -> Result<(), Arc<Slot>> {
        let at = death(&record);
        self.map.insert(key, record)?;
        self.dies(key, at);
        Ok(())
    }

    /// Notes an earlier death than the one noted at insertion.
    pub(crate) fn dies(&self, key: RecordKey, at: Timestamp) {
        self.deaths().push(Reverse((at, key)));
    }

    fn deaths(&self) -> MutexGuard<'_, BinaryHeap<Reverse<(Timestamp, RecordKey)>>> {
        self.deaths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for one more session; whether there was one.
    pub(crate) fn take_place(&self) -> bool {
        let more = |sessions| (sessions < self.max_sessions).then_some(sessions + 1);
        self.sessions.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// Gives a session's place back.
    pub(crate) fn give_place(&self) {
        self.sessions.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether every place is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.sessions() >= self.max_sessions
    }

    /// How many places are taken.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    /// Deletes at most `limit` records that have been dead for `slack` at `now`. Looks at a bounded number of records.
    pub(crate) fn collect(&self, now: Timestamp, slack: Duration, limit: usize) -> Vec<Collected> {
        let mut collected = Vec::new();
        let mut spared = Vec::new();
        for _ in 0..limit.saturating_mul(16) {
            let due = {
                let mut deaths = self.deaths();
                match deaths.peek() {
                    Some(Reverse((at, _))) if *at + slack <= now => deaths.pop(),
                    _ => None,
                }
            };
            let Some(Reverse((_, key))) = due else { break };
            let Some(slot) = self.map.get(&key) else { continue }; // noted twice, and collected since
            let Some(mut state) = slot.lock() else { continue };
            if !state.record.is_collectable(now, slack) {
                spared.push(Reverse((death(&state.record), key)));
                continue;
            }
            if matches!(state.record.life, Life::Live) {
                self.give_place();
            }
            // Still under the slot's lock: whoever finds it gone finds it gone from the map as well.
            state.gone = true;
            self.map.remove(&key);
            collected.push(Collected { key, principal: state.record.principal.take() });
            if collected.len() == limit {
                break;
            }
        }
        self.deaths().extend(spared);
        collected
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use unstick_core::{Record, RecordKey, Timestamp};

    use super::{Map, SHARDS, SLACK, Slots};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn key(n: usize) -> RecordKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        bytes[31] = n.to_le_bytes()[0];
        RecordKey::from_bytes(bytes)
    }

    fn places(map: &Map) -> usize {
        map.0.iter().map(|shard| shard.lock().unwrap().capacity()).sum()
    }

    #[test]
    fn a_crowd_is_spread_over_the_shards_and_its_room_given_back() {
        let slots = Slots::new(usize::MAX);
        let count = 100 * SHARDS;
        for n in 0..count {
            slots.insert(key(n), Record::tombstone(NOW, NOW + Duration::from_millis(1))).unwrap();
        }
        assert!(slots.map.0.iter().all(|shard| shard.lock().unwrap().len() == 100));
        assert!(places(&slots.map) >= count);
        let mut collected = 0;
        loop {
            match slots.collect(NOW + SLACK * 2, SLACK, 64).len() {
                0 => break,
                some => {
                    assert!(some <= 64);
                    collected += some;
                }
            }
        }
        assert_eq!(collected, count);
        assert!((0..count).all(|n| slots.get(&key(n)).is_none()));
        assert!(places(&slots.map) <= 64 * SHARDS * 2, "{} places are kept for nobody", places(&slots.map));
    }

    #[test]
    fn one_key_has_one_record() {
        let slots = Slots::new(usize::MAX);
        let there = || Record::tombstone(NOW, NOW);
        slots.insert(key(1), there()).unwrap();
        let first = slots.get(&key(1)).unwrap();
        let again = slots.insert(key(1), there()).unwrap_err();
        assert!(std::sync::Arc::ptr_eq(&first, &again));
        // Found before it was collected: whoever holds it learns that it has gone.
        assert_eq!(slots.collect(NOW + SLACK * 2, SLACK, 64).len(), 1);
        assert!(first.lock().is_none());
        assert!(first.try_lock().is_some_and(|gone| gone.is_none()));
        slots.insert(key(1), there()).unwrap();
        assert!(first.lock().is_none() && slots.get(&key(1)).unwrap().lock().is_some());
    }
}
