//! Sessions by principal. One lock for all of it: logins are rare next to requests, and requests do not come here.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use unstick_core::{BoxFuture, Error, Life, OpCtx, PrincipalIndex, Record, RecordKey, Reservation, SessionEntry, Timestamp};

use crate::{
    MemoryStore,
    slots::{SLACK, Slots},
};

/// Each reservation looks after so many others that were never used.
const PRUNE_PER_RESERVATION: usize = 2;

/// Until when a place is kept for a session that is not published yet; `None`: it is.
#[derive(Debug, Clone, Copy)]
struct Place {
    key: RecordKey,
    reserved_until: Option<Timestamp>,
}

/// Who has which sessions. Entries are hints, judged against the records whenever they are used.
#[derive(Debug, Default)]
pub(crate) struct Places {
    by_principal: HashMap<Arc<str>, Vec<Place>>,
    reservations: BinaryHeap<Reverse<(Timestamp, Arc<str>)>>,
}

#[derive(Debug, Default)]
pub(crate) struct Index(Mutex<Places>);

/// What the record behind a place says.
enum Behind {
    Nothing,
    Dead,
    /// A session of that principal, and whether it is within its deadlines.
    Theirs(SessionEntry, bool),
    /// A session that is not theirs, or not yet.
    Other(Timestamp),
}

fn look(slots: &Slots, principal: &str, key: RecordKey, now: Timestamp) -> Behind {
    let Some(slot) = slots.get(&key) else { return Behind::Nothing };
    let Some(state) = slot.lock() else { return Behind::Nothing };
    let record: &Record = &state.record;
    if matches!(record.life, Life::Ended { .. }) {
        return Behind::Dead;
    }
    if record.principal.as_deref() != Some(principal) {
        return Behind::Other(record.idle_deadline);
    }
    let (idle_deadline, absolute_deadline) = (record.idle_deadline, record.absolute_deadline);
    let entry = SessionEntry { key, created: record.created, idle_deadline, absolute_deadline };
    Behind::Theirs(entry, now < idle_deadline && now < absolute_deadline)
}

impl Index {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn put(&mut self, principal: &str, place: Place) {
        match self.by_principal.get_mut(principal) {
            Some(places) => match places.iter_mut().find(|at| at.key == place.key) {
                Some(present) => *present = place,
                None => places.push(place),
            },
            None => {
                self.by_principal.insert(principal.into(), vec![place]);
            }
        }
    }

    /// The session is the principal's from now on.
    pub(crate) fn publish(&mut self, principal: &str, key: RecordKey) {
        self.put(principal, Place { key, reserved_until: None });
    }

    /// The session is not the principal's any more.
    pub(crate) fn forget(&mut self, principal: &str, key: RecordKey) {
        self.retain(principal, |place| place.key != key);
    }

    fn retain(&mut self, principal: &str, keep: impl FnMut(&Place) -> bool) {
        if let Some(places) = self.by_principal.get_mut(principal) {
            places.retain(keep);
            if places.is_empty() {
                self.by_principal.remove(principal);
            }
        }
    }

    fn of(&self, principal: &str) -> &[Place] {
        self.by_principal.get(principal).map_or(&[], Vec::as_slice)
    }

    /// Drops places that nobody can claim: of sessions that are gone, and reservations that were not used.
    fn repair(&mut self, slots: &Slots, principal: &str, now: Timestamp) {
        self.retain(principal, |place| match look(slots, principal, place.key, now) {
            Behind::Theirs(..) => true, // an expired one leaves when its record is collected
            Behind::Nothing | Behind::Other(_) => place.reserved_until.is_some_and(|until| until > now),
            Behind::Dead => false,
        });
    }

    fn prune(&mut self, slots: &Slots, now: Timestamp) {
        for _ in 0..PRUNE_PER_RESERVATION {
            match self.reservations.peek() {
                Some(Reverse((until, _))) if *until + SLACK <= now => {}
                _ => return,
            }
            if let Some(Reverse((_, principal))) = self.reservations.pop() {
                self.repair(slots, &principal, now);
            }
        }
    }
}

impl MemoryStore {
    fn sessions_of(&self, op: OpCtx, principal: &str) -> Vec<SessionEntry> {
        let slots = &self.inner.slots;
        let mut places = self.inner.index.lock();
        places.repair(slots, principal, op.now);
        let live = |place: &Place| match look(slots, principal, place.key, op.now) {
            Behind::Theirs(entry, true) => Some(entry),
            _ => None,
        };
        let mut entries: Vec<SessionEntry> = places.of(principal).iter().filter_map(live).collect();
        entries.sort_unstable_by_key(|entry| (entry.created, entry.key));
        entries
    }

    fn end_all(&self, op: OpCtx, principal: &str, keep: Option<RecordKey>, skew: Duration) -> Result<u64, Error> {
        self.inner.refuse_if_late(&op)?;
        let slots = &self.inner.slots;
        // Held to the end: a session that is being published is seen here, or finds its tombstone.
        let mut places = self.inner.index.lock();
        places.repair(slots, principal, op.now);
        let others: Vec<Place> = places.of(principal).iter().filter(|place| Some(place.key) != keep).copied().collect();
        let mut ended = 0;
        for place in others {
            let until = match look(slots, principal, place.key, op.now) {
                Behind::Theirs(entry, lives) => {
                    ended += u64::from(lives);
                    entry.idle_deadline
                }
                Behind::Other(idle_deadline) => idle_deadline.max(place.reserved_until.unwrap_or(idle_deadline)),
                Behind::Nothing | Behind::Dead => place.reserved_until.unwrap_or(op.now),
            };
            if let (_, Some(before)) = self.inner.bury(op.now, place.key, None, until + skew) {
                places.forget(&before, place.key);
            }
            places.forget(principal, place.key);
        }
        Ok(ended)
    }

    fn take(&self, op: OpCtx, principal: &str, key: RecordKey, max: NonZeroU32, until: Timestamp) -> Result<Reservation, Error> {
        self.inner.refuse_if_late(&op)?;
        let slots = &self.inner.slots;
        let mut places = self.inner.index.lock();
        places.prune(slots, op.now);
        places.repair(slots, principal, op.now);
        let (mut others, mut published) = (0_u32, false);
        for place in places.of(principal) {
            let lives = match look(slots, principal, place.key, op.now) {
                Behind::Theirs(_, lives) => lives,
                _ => true, // a reservation that stands, else it would have been repaired away
            };
            if place.key == key {
                published = place.reserved_until.is_none();
            } else if lives {
                others = others.saturating_add(1);
            }
        }
        if others >= max.get() {
            return Ok(Reservation::Full);
        }
        if !published {
            places.put(principal, Place { key, reserved_until: Some(until) });
            if let Some((principal, _)) = places.by_principal.get_key_value(principal) {
                let principal = principal.clone();
                places.reservations.push(Reverse((until, principal)));
            }
        }
        Ok(Reservation::Granted)
    }
}

impl PrincipalIndex for MemoryStore {
    fn list<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> {
        Box::pin(async move { Ok(self.sessions_of(op, principal)) })
    }

    fn end_others<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        skew: Duration,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move { self.end_all(op, principal, keep, skew) })
    }

    fn reserve<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        key: RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Reservation, Error>> {
        Box::pin(async move { self.take(op, principal, key, max, until) })
    }
}
