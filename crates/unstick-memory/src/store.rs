//! The store: every operation is core's pure function under the record's own lock.

use std::sync::Mutex;

use unstick_core::{
    Applied, Change, Created, Decide, Ended, Error, ErrorKind, Life, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, Record,
    RecordKey, Renewal, Rotated, Rotation, Runtime, Scope, Store, Timestamp, end_in_place,
};

use crate::{
    MemoryStoreBuilder,
    index::Principals,
    slots::{self, SLACK, Slots},
};

/// Sessions in memory. See the [crate docs](crate). Share it between layers of one process through an `Arc`.
#[derive(Debug)]
pub struct MemoryStore {
    pub(crate) slots: Slots,
    pub(crate) principals: Mutex<Principals>,
    pub(crate) runtime: Runtime,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// A store with default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A store with settings of your own.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::default()
    }

    pub(crate) fn from_config(config: &MemoryStoreBuilder) -> Self {
        let slots = Slots::new(config.runtime.clone(), config.max_sessions);
        Self { slots, principals: Mutex::default(), runtime: config.runtime.clone() }
    }

    fn refuse_if_late(&self, op: &OpCtx) -> Result<(), Error> {
        op.refuse_if_late(self.runtime.wall().max(op.now))
    }

    fn try_create(&self, op: &OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        self.refuse_if_late(op)?;
        let mut record = Record::new(new.clone());
        record.applied.push((op.op_id, op.deadline));
        let taken = match self.slots.create(key, record) {
            slots::Created::Done => return Ok(Created::Done),
            slots::Created::Full => return Err(Error::new(ErrorKind::Full, "the memory store holds as many sessions as it may")),
            slots::Created::Taken(slot) => slot,
        };
        let record = taken.lock();
        Ok(match record.life {
            Life::Ended { at, .. } => Created::Ended { at },
            Life::Live if record.applied.iter().any(|(id, _)| *id == op.op_id) => Created::Done,
            Life::Live => Created::Exists,
        })
    }

    /// Runs `change` on the record, and tells the map if its deadlines moved.
    fn with_record<T>(&self, key: RecordKey, missing: T, change: impl FnOnce(&mut Record) -> T) -> T {
        let Some(slot) = self.slots.get(&key) else { return missing };
        let mut record = slot.lock();
        let before = record.idle_deadline;
        let answer = change(&mut record);
        let moved = record.idle_deadline != before;
        drop(record);
        if moved {
            self.slots.deadlines_moved(key, &slot);
        }
        answer
    }

    pub(crate) fn end_record(&self, key: RecordKey, now: Timestamp, presented: Option<&Presented>, until: Timestamp) -> Ended {
        let mut made = false;
        let slot = self.slots.get_or_insert(key, || {
            made = true;
            Record::tombstone(now, until)
        });
        if made {
            return Ended::Done { was_live: false };
        }
        let ended = end_in_place(&mut slot.lock(), now, presented, until);
        if let Ended::Done { .. } = ended {
            self.slots.ended(&slot);
            self.slots.deadlines_moved(key, &slot);
        }
        ended
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
        match &new.principal {
            None => self.try_create(&op, key, new),
            Some(principal) => {
                let mut principals = self.principals();
                let created = self.try_create(&op, key, new)?;
                if created == Created::Done {
                    principals.publish(principal, key);
                }
                Ok(created)
            }
        }
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        let Some(renewal) = renewal else {
            let Some(slot) = self.slots.get(&key) else { return Ok(Loaded::Missing) };
            let record = slot.lock();
            return Ok(Loaded::judge(&record, &presented, op.now));
        };
        self.refuse_if_late(&op)?;
        Ok(self.with_record(key, Loaded::Missing, |record| {
            record.apply(&op, &presented, &Change { renewal: Some(renewal), ..Change::new() });
            Loaded::judge(record, &presented, op.now)
        }))
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        self.refuse_if_late(&op)?;
        Ok(self.with_record(key, Applied::Missing, |record| record.apply(&op, &presented, change)))
    }

    async fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<Rotated, Error> {
        self.refuse_if_late(&op)?;
        let rotate =
            || self.with_record(key, Rotated::Refused(Applied::Missing), |record| record.rotate(&op, &presented, rotation, change));
        let Some(principal) = &rotation.principal else { return Ok(rotate()) };
        let mut principals = self.principals();
        let rotated = rotate();
        if let Rotated::Done { rotated: true, .. } = rotated {
            principals.publish(principal, key);
        }
        Ok(rotated)
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        self.refuse_if_late(&op)?;
        Ok(self.end_record(key, op.now, presented.as_ref(), until))
    }

    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        Ok(self.slots.sweep(limit, |record| record.is_collectable(op.now, SLACK)))
    }

    async fn update_locked(&self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        self.refuse_if_late(&op)?;
        let decided = self.with_record(key, Ok(Applied::Missing), |record| {
            let change = decide(&record.fields)?;
            Ok(record.apply(&op, &presented, &change))
        });
        decided.map(Some)
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        Some(self)
    }
}
