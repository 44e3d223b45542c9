//! The store: every operation is one lock on one record, and completes at the first poll.

use std::{fmt, sync::Arc, time::Duration};

use unstick_core::{
    Applied, AtHand, Change, Created, Decide, Ended, Error, ErrorKind, Life, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, Record,
    RecordKey, Renewal, Rotated, Rotation, Runtime, Scope, Standing, Store, Timestamp, end_in_place,
};

use crate::{
    MemoryStoreBuilder,
    index::Index,
    slots::{Collected, SLACK, Slots},
};

/// Each write that adds a record collects so many dead ones.
const COLLECT_PER_WRITE: usize = 2;
/// At the limit more of them are looked for before a creation is refused.
const COLLECT_AT_LIMIT: usize = 64;

/// Sessions in this process. Clones share them. See the [crate docs](crate) for promises, limits and an example.
#[derive(Clone)]
pub struct MemoryStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) slots: Slots,
    pub(crate) index: Index,
    runtime: Runtime,
}

impl MemoryStore {
    /// A store with the default limit of one million sessions.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Other settings.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::new()
    }

    pub(crate) fn from_builder(builder: MemoryStoreBuilder) -> Self {
        let MemoryStoreBuilder { max_sessions, runtime } = builder;
        Self { inner: Arc::new(Inner { slots: Slots::new(max_sessions), index: Index::default(), runtime }) }
    }

    /// How many sessions there are, expired ones that are not collected yet included.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.inner.slots.sessions()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} sessions)", self.sessions())
    }
}

impl Inner {
    pub(crate) fn refuse_if_late(&self, op: &OpCtx) -> Result<(), Error> {
        op.refuse_if_late(op.now.max(self.runtime.wall()))
    }

    /// Collects what is dead, and tells the index. Not to be called with the index locked.
    fn collect(&self, now: Timestamp, slack: Duration, limit: usize) -> usize {
        let collected = self.slots.collect(now, slack, limit);
        for Collected { key, principal } in &collected {
            if let Some(principal) = principal {
                self.index.lock().forget(principal, *key);
            }
        }
        collected.len()
    }

    /// A little at every creation, more at the limit, where expired sessions have to make room at once.
    fn make_room(&self, now: Timestamp) {
        self.collect(now, SLACK, COLLECT_PER_WRITE);
        if self.slots.is_full() {
            self.collect(now, Duration::ZERO, COLLECT_AT_LIMIT);
        }
    }

    /// Answers for what is there; puts a record in where there is nothing.
    fn put(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        let mut present = self.slots.get(&key);
        loop {
            if let Some(state) = present.as_ref().and_then(|slot| slot.lock()) {
                return Ok(match state.record.life {
                    Life::Ended { at, .. } => Created::Ended { at },
                    Life::Live if state.record.applied.iter().any(|(id, _)| *id == op.op_id) => Created::Done,
                    Life::Live => Created::Exists,
                });
            }
            if !self.slots.take_place() {
                return Err(Error::new(ErrorKind::Full, "the memory store holds as many live sessions as `max_sessions` allows"));
            }
            let mut record = Record::new(new.clone());
            record.applied.push((op.op_id, op.deadline));
            let Err(slot) = self.slots.insert(key, record) else { return Ok(Created::Done) };
            self.slots.give_place();
            present = Some(slot);
        }
    }

    /// Ends a session, or leaves a tombstone where there is none. Returns whose it was; leaves the index alone.
    pub(crate) fn bury(
        &self,
        now: Timestamp,
        key: RecordKey,
        presented: Option<&Presented>,
        until: Timestamp,
    ) -> (Ended, Option<Arc<str>>) {
        loop {
            let Some(slot) = self.slots.get(&key) else {
                match self.slots.insert(key, Record::tombstone(now, until)) {
                    Ok(()) => return (Ended::Done { was_live: false }, None),
                    Err(_) => continue, // created meanwhile
                }
            };
            let Some(mut state) = slot.lock() else { continue };
            let principal = state.record.principal.clone();
            let ended = end_in_place(&mut state.record, now, presented, until);
            drop(state);
            return match ended {
                Ended::Done { was_live: true } => {
                    self.slots.give_place();
                    self.slots.dies(key, until);
                    (ended, principal)
                }
                _ => (ended, None),
            };
        }
    }
}

impl Store for MemoryStore {
    fn scope(&self) -> Scope {
        Scope::Process
    }

    fn name(&self) -> &'static str {
        "memory"
    }

    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        let inner = &*self.inner;
        inner.refuse_if_late(&op)?;
        inner.make_room(op.now);
        let Some(principal) = &new.principal else { return inner.put(op, key, new) };
        let mut places = inner.index.lock(); // nobody lists or ends the principal's sessions between the record and its place
        let created = inner.put(op, key, new)?;
        if created == Created::Done {
            places.publish(principal, key);
        }
        Ok(created)
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        let inner = &*self.inner;
        if renewal.is_some() {
            inner.refuse_if_late(&op)?;
        }
        let Some(slot) = inner.slots.get(&key) else { return Ok(Loaded::Missing) };
        let Some(mut state) = slot.lock() else { return Ok(Loaded::Missing) };
        if renewal.is_some() {
            state.record.apply(&op, &presented, &Change { renewal, ..Change::new() });
        }
        Ok(Loaded::judge(&state.record, &presented, op.now))
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        self.inner.refuse_if_late(&op)?;
        let Some(slot) = self.inner.slots.get(&key) else { return Ok(Applied::Missing) };
        let Some(mut state) = slot.lock() else { return Ok(Applied::Missing) };
        Ok(state.record.apply(&op, &presented, change))
    }

    async fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<Rotated, Error> {
        self.inner.refuse_if_late(&op)?;
        let mut places = rotation.principal.as_ref().map(|principal| (self.inner.index.lock(), principal));
        let Some(slot) = self.inner.slots.get(&key) else { return Ok(Rotated::Refused(Applied::Missing)) };
        let Some(mut state) = slot.lock() else { return Ok(Rotated::Refused(Applied::Missing)) };
        let before = places.is_some().then(|| state.record.principal.clone()).flatten();
        let rotated = state.record.rotate(&op, &presented, rotation, change);
        drop(state);
        if let (Some((places, principal)), Rotated::Done { rotated: true, .. }) = (&mut places, &rotated) {
            if let Some(before) = before {
                places.forget(&before, key);
            }
            places.publish(principal, key);
        }
        Ok(rotated)
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        self.inner.refuse_if_late(&op)?;
        let (ended, principal) = self.inner.bury(op.now, key, presented.as_ref(), until);
        if let Some(principal) = principal {
            self.inner.index.lock().forget(&principal, key);
        }
        self.inner.collect(op.now, SLACK, COLLECT_PER_WRITE);
        Ok(ended)
    }

    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        Ok(self.inner.collect(op.now, SLACK, limit))
    }

    async fn update_locked(&self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        self.inner.refuse_if_late(&op)?;
        let Some(slot) = self.inner.slots.get(&key) else { return Ok(Some(Applied::Missing)) };
        let Some(mut state) = slot.lock() else { return Ok(Some(Applied::Missing)) };
        let change = match state.record.standing(&presented, op.now) {
            Standing::Live(_) => decide(&state.record.fields)?,
            _ => Change::new(), // refused below, with the reason
        };
        Ok(Some(state.record.apply(&op, &presented, &change)))
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        Some(self)
    }

    fn at_hand(&self) -> Option<&dyn AtHand> {
        Some(self)
    }
}

impl AtHand for MemoryStore {
    fn read(&self, now: Timestamp, key: &RecordKey, presented: &Presented) -> Option<Loaded> {
        self.inner.slots.glance(key, |record| record.map_or(Loaded::Missing, |record| Loaded::judge(record, presented, now)))
    }
}
