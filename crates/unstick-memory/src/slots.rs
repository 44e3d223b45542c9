//! The map of records: who may be collected, and when.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{Expiry, notification::RemovalCause, sync::Cache};
use unstick_core::{Life, Record, RecordKey, Runtime};

/// Dead records are kept this much longer, so that late requests find them dead rather than missing.
pub(crate) const SLACK: Duration = Duration::from_secs(300);

/// One session's place.
#[derive(Debug)]
pub(crate) struct Slot {
    record: Mutex<Record>,
    counted: AtomicBool,
}

impl Slot {
    fn new(record: Record, counted: bool) -> Arc<Self> {
        Arc::new(Self { record: Mutex::new(record), counted: AtomicBool::new(counted) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Record> {
        // Records are changed by functions that do not panic, so a poisoned one is whole.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys are hashes already.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug, Clone)]
struct WhenDead {
    runtime: Runtime,
}

impl WhenDead {
    fn after(&self, slot: &Slot) -> Duration {
        let record = slot.lock();
        let dead = match record.life {
            Life::Live => record.idle_deadline.min(record.absolute_deadline) + SLACK,
            Life::Ended { until, .. } => until,
        };
        dead.since(self.runtime.wall()).max(Duration::from_millis(1))
    }
}

impl Expiry<RecordKey, Arc<Slot>> for WhenDead {
    fn expire_after_create(&self, _: &RecordKey, slot: &Arc<Slot>, _: Instant) -> Option<Duration> {
        Some(self.after(slot))
    }

    fn expire_after_update(&self, _: &RecordKey, slot: &Arc<Slot>, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(self.after(slot))
    }
}

/// Slots by key, with a count of the live ones.
#[derive(Debug)]
pub(crate) struct Slots {
    cache: Cache<RecordKey, Arc<Slot>, BuildHasherDefault<KeyHasher>>,
    live: Arc<AtomicUsize>,
    max: usize,
}

impl Slots {
    pub(crate) fn new(runtime: Runtime, max: usize) -> Self {
        let live = Arc::new(AtomicUsize::new(0));
        let counter = live.clone();
        let removed = move |_: Arc<RecordKey>, slot: Arc<Slot>, cause: RemovalCause| {
            if cause != RemovalCause::Replaced {
                uncount(&counter, &slot);
            }
        };
        // No capacity: moka only ever removes what has expired.
        let cache =
            Cache::builder().expire_after(WhenDead { runtime }).eviction_listener(removed).build_with_hasher(BuildHasherDefault::default());
        Self { cache, live, max }
    }

    pub(crate) fn get(&self, key: &RecordKey) -> Option<Arc<Slot>> {
        self.cache.get(key)
    }

    /// Puts a live record where there is none; `Err` gives what is there.
    pub(crate) fn create(&self, key: RecordKey, record: Record) -> Created {
        if let Some(slot) = self.cache.get(&key) {
            return Created::Taken(slot);
        }
        if self.live.load(Ordering::Acquire) >= self.max {
            self.cache.run_pending_tasks();
        }
        if self.live.fetch_add(1, Ordering::AcqRel) >= self.max {
            self.live.fetch_sub(1, Ordering::AcqRel);
            return Created::Full;
        }
        let entry = self.cache.entry(key).or_insert_with(|| Slot::new(record, true));
        if entry.is_fresh() {
            return Created::Done;
        }
        self.live.fetch_sub(1, Ordering::AcqRel);
        Created::Taken(entry.into_value())
    }

    /// The slot of `key`, made from `record` if there is none. Tombstones do not count.
    pub(crate) fn get_or_insert(&self, key: RecordKey, record: impl FnOnce() -> Record) -> Arc<Slot> {
        self.cache.entry(key).or_insert_with(|| Slot::new(record(), false)).into_value()
    }

    /// Tells moka that a slot's deadlines have moved.
    pub(crate) fn deadlines_moved(&self, key: RecordKey, slot: &Arc<Slot>) {
        self.cache.insert(key, slot.clone());
    }

    /// A slot has become a tombstone, and no longer counts.
    pub(crate) fn ended(&self, slot: &Slot) {
        uncount(&self.live, slot);
    }

    pub(crate) fn sweep(&self, limit: usize, is_dead: impl Fn(&Record) -> bool) -> usize {
        self.cache.run_pending_tasks();
        let dead = self.cache.iter().filter(|(_, slot)| is_dead(&slot.lock())).map(|(key, _)| key);
        let dead: Vec<Arc<RecordKey>> = dead.take(limit).collect();
        for key in &dead {
            self.cache.invalidate(&**key);
        }
        self.cache.run_pending_tasks();
        dead.len()
    }
}

fn uncount(live: &AtomicUsize, slot: &Slot) {
    if slot.counted.swap(false, Ordering::AcqRel) {
        live.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Answer of [`Slots::create`].
pub(crate) enum Created {
    Done,
    Taken(Arc<Slot>),
    Full,
}
