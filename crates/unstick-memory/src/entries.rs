//! What a level holds: per key its values, leases and recent invalidations, with an order in which they are dropped.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use unstick_core::{LeaseToken, LevelKey, LevelValue, OpId, TagKey};

/// How long a repeated invalidation is recognised.
const REMEMBERED: Duration = Duration::from_secs(60);
/// So many per target; what is invalidated more often than that is not worth remembering.
const MOST_REMEMBERED: usize = 16;

/// Invalidations that were carried out.
#[derive(Debug, Default)]
pub(crate) struct Done(Vec<(OpId, Duration)>);

impl Done {
    /// Notes an invalidation; false when it was carried out before.
    pub(crate) fn note(&mut self, op: OpId, now: Duration) -> bool {
        self.forget(now);
        if self.0.iter().any(|(done, _)| *done == op) {
            return false;
        }
        if self.0.len() == MOST_REMEMBERED {
            self.0.remove(0);
        }
        self.0.push((op, now.saturating_add(REMEMBERED)));
        true
    }

    fn forget(&mut self, now: Duration) {
        self.0.retain(|(_, until)| now < *until);
    }

    fn until(&self) -> Option<Duration> {
        self.0.last().map(|(_, until)| *until)
    }
}

/// A value with its times on the runtime's monotonic clock.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) value: LevelValue,
    pub(crate) seq: u64,
    pub(crate) fresh: Duration,
    pub(crate) kept: Duration,
}

#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) token: LeaseToken,
    pub(crate) until: Duration,
    pub(crate) awaited: bool,
}

/// Everything about one key. There are few schemas at a time, so lists will do.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    values: Vec<(u32, Stored)>,
    leases: Vec<(u32, Lease)>,
    pub(crate) done: Done,
    turn: Option<(Duration, u64)>,
}

impl Entry {
    pub(crate) fn value(&self, schema: u32, now: Duration) -> Option<&Stored> {
        self.values.iter().find(|(of, stored)| *of == schema && now < stored.kept).map(|(_, stored)| stored)
    }

    pub(crate) fn put(&mut self, schema: u32, stored: Stored) {
        self.values.retain(|(of, _)| *of != schema);
        self.values.push((schema, stored));
    }

    pub(crate) fn lease(&mut self, schema: u32, now: Duration) -> Option<&mut Lease> {
        self.leases.iter_mut().find(|(of, lease)| *of == schema && now < lease.until).map(|(_, lease)| lease)
    }

    pub(crate) fn grant(&mut self, schema: u32, lease: Lease) {
        self.leases.retain(|(of, _)| *of != schema);
        self.leases.push((schema, lease));
    }

    /// Takes the lease back from its holder; whether it was awaited.
    pub(crate) fn give_back(&mut self, schema: u32, token: LeaseToken, now: Duration) -> Option<bool> {
        let awaited = self.lease(schema, now).filter(|lease| lease.token == token)?.awaited;
        self.leases.retain(|(of, _)| *of != schema);
        Some(awaited)
    }

    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.leases.clear();
    }

    fn forget(&mut self, now: Duration) {
        self.values.retain(|(_, stored)| now < stored.kept);
        self.leases.retain(|(_, lease)| now < lease.until);
        self.done.forget(now);
    }

    /// When there is nothing left of it.
    fn until(&self) -> Option<Duration> {
        let values = self.values.iter().map(|(_, stored)| stored.kept);
        values.chain(self.leases.iter().map(|(_, lease)| lease.until)).chain(self.done.until()).max()
    }
}

/// All keys, in the order of their ends and in that of their last change.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    map: HashMap<LevelKey, Entry>,
    ends: BTreeSet<(Duration, u64)>,
    ages: BTreeMap<u64, LevelKey>,
    turns: u64,
}

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn get(&self, key: &LevelKey) -> Option<&Entry> {
        self.map.get(key)
    }

    /// Changes what is known of a key, and makes room: what is over goes first, and then what was changed the longest time ago.
    pub(crate) fn change<T>(&mut self, key: &LevelKey, now: Duration, most: usize, change: impl FnOnce(&mut Entry) -> T) -> T {
        let entry = self.map.entry(key.clone()).or_default();
        let answer = change(entry);
        if let Some(turn) = entry.turn.take() {
            self.ends.remove(&turn);
            self.ages.remove(&turn.1);
        }
        entry.forget(now);
        if let Some(until) = entry.until() {
            self.turns += 1;
            entry.turn = Some((until, self.turns));
            self.ends.insert((until, self.turns));
            self.ages.insert(self.turns, key.clone());
        } else {
            self.map.remove(key);
        }
        while let Some((until, turn)) = self.ends.first().copied()
            && until <= now
        {
            self.drop_turn((until, turn));
        }
        while self.map.len() > most.max(1)
            && let Some(turn) = self.ages.keys().next().copied()
        {
            let until = self.ages.get(&turn).and_then(|key| self.map.get(key)).and_then(|entry| entry.turn);
            self.drop_turn(until.unwrap_or((Duration::ZERO, turn)));
        }
        answer
    }

    /// Drops every value and every lease. That invalidations are not to be repeated is remembered.
    pub(crate) fn clear(&mut self) {
        let (ends, ages) = (&mut self.ends, &mut self.ages);
        self.map.retain(|_, entry| {
            entry.clear();
            let kept = entry.done.until().is_some();
            if let (false, Some(turn)) = (kept, entry.turn) {
                ends.remove(&turn);
                ages.remove(&turn.1);
            }
            kept
        });
    }

    fn drop_turn(&mut self, turn: (Duration, u64)) {
        self.ends.remove(&turn);
        if let Some(key) = self.ages.remove(&turn.1) {
            self.map.remove(&key);
        }
    }
}

/// Sequences of tags that were invalidated.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    map: HashMap<TagKey, (u64, Done)>,
    /// Each tag once, by its sequence: the ones invalidated the longest time ago come first.
    order: BTreeMap<u64, TagKey>,
    /// What every tag that is not here counts as: as high as any that was dropped.
    floor: u64,
}

impl Tags {
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether a load that began at `seq` knows all that these tags stand for.
    pub(crate) fn allow(&self, tags: &[TagKey], seq: u64) -> bool {
        tags.iter().all(|tag| self.map.get(tag).map_or(self.floor, |(last, _)| *last) <= seq)
    }

    /// Notes an invalidation under `next`, the next sequence; false when it was carried out before.
    pub(crate) fn invalidate(&mut self, tag: &TagKey, op: OpId, next: u64, now: Duration, most: usize) -> bool {
        let (last, done) = self.map.entry(tag.clone()).or_default();
        if !done.note(op, now) {
            return false;
        }
        self.order.remove(last);
        *last = next;
        self.order.insert(next, tag.clone());
        while self.map.len() > most.max(1)
            && let Some((seq, tag)) = self.order.pop_first()
        {
            self.map.remove(&tag);
            self.floor = self.floor.max(seq);
        }
        true
    }
}
