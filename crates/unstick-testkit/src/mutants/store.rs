//! A plain store around one lock, with a defect.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use unstick_core::{
    Applied, AtHand, Change, Created, Decide, Ended, Error, Life, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, Record, RecordKey,
    Renewal, Rotated, Rotation, Scope, Standing, Store, Timestamp, end_in_place,
};

use super::Defect;
use crate::clock::TestClock;

const SLACK: Duration = Duration::from_secs(300);
const FOR_EVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// Everything that the store knows.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) records: HashMap<RecordKey, Record>,
    /// Places taken before publication: principal, session, until when.
    pub(super) reserved: Vec<(String, RecordKey, Timestamp)>,
}

/// A store that keeps every rule but one. See the [module docs](super).
#[derive(Debug)]
pub struct BrokenStore {
    pub(super) defect: Defect,
    clock: TestClock,
    state: Mutex<State>,
    in_between: AtomicUsize,
}

impl BrokenStore {
    /// An empty store with this defect, on the system's clock.
    #[must_use]
    pub fn new(defect: Defect) -> Self {
        Self { defect, clock: TestClock::System, state: Mutex::default(), in_between: AtomicUsize::new(0) }
    }

    /// The same with a clock that can be moved.
    #[must_use]
    pub fn clock(mut self, clock: TestClock) -> Self {
        self.clock = clock;
        self
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    pub(super) fn refuse_if_late(&self, op: &OpCtx) -> Result<(), Error> {
        if self.has(Defect::IgnoresDeadline) {
            return Ok(());
        }
        op.refuse_if_late(op.now)?;
        op.refuse_if_late(self.clock.now())
    }

    /// Breaks the record, or the change, before the correct code sees it.
    fn spoil(&self, record: &mut Record, now: Timestamp, change: &Change) -> Change {
        let mut change = change.clone();
        match self.defect {
            Defect::NotIdempotent => record.applied.clear(),
            Defect::IgnoresPreconditions => change.preconditions.clear(),
            Defect::RevivesExpired if matches!(record.life, Life::Live) && record.idle_deadline <= now => {
                if let Some(renewal) = change.renewal {
                    record.idle_deadline = renewal.idle_deadline;
                }
            }
            Defect::RenewalMovesBack => {
                if let (Some(renewal), Life::Live) = (change.renewal, record.life) {
                    record.idle_deadline = renewal.idle_deadline.min(record.absolute_deadline);
                }
            }
            Defect::AbsoluteMoves => {
                if let (Some(renewal), Life::Live) = (change.renewal, record.life) {
                    record.absolute_deadline = record.absolute_deadline.max(renewal.idle_deadline);
                }
            }
            _ => {}
        }
        change
    }

    /// Between reading and writing, waits until `together` callers are at this point: what a network does by chance.
    /// Not for ever, since there may be no others.
    pub(super) async fn others_get_in_between(&self, together: usize) {
        let ticket = self.in_between.fetch_add(1, Ordering::AcqRel);
        let full = (ticket / together + 1) * together;
        for _ in 0..2_000 {
            if self.in_between.load(Ordering::Acquire) >= full {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Runs a write on a record; in one step, unless that is the defect.
    async fn write<T>(&self, key: RecordKey, write: impl Fn(&mut Record) -> T) -> Option<T> {
        if !self.has(Defect::LastWriterWins) {
            return self.state().records.get_mut(&key).map(write);
        }
        let mut read = self.state().records.get(&key)?.clone();
        let answer = write(&mut read);
        self.others_get_in_between(2).await;
        self.state().records.insert(key, read);
        Some(answer)
    }
}

impl Store for BrokenStore {
    fn scope(&self) -> Scope {
        Scope::Process
    }

    fn name(&self) -> &'static str {
        "broken"
    }

    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        self.refuse_if_late(&op)?;
        let mut state = self.state();
        let present = state.records.get(&key).filter(|_| !self.has(Defect::CreateOverwrites));
        match present {
            Some(Record { life: Life::Ended { at, .. }, .. }) => return Ok(Created::Ended { at: *at }),
            Some(record) if record.applied.iter().any(|(id, _)| *id == op.op_id) && !self.has(Defect::NotIdempotent) => {
                return Ok(Created::Done);
            }
            Some(_) => return Ok(Created::Exists),
            None => {}
        }
        let mut record = Record::new(new.clone());
        record.applied.push((op.op_id, op.deadline));
        state.records.insert(key, record);
        Ok(Created::Done)
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        if renewal.is_some() {
            self.refuse_if_late(&op)?;
        }
        let mut state = self.state();
        if self.has(Defect::AdoptsOnLoad) {
            let adopt = || {
                let new = NewRecord {
                    secret: presented.secret,
                    principal: None,
                    created: op.now,
                    idle_deadline: presented.idle_deadline,
                    absolute_deadline: presented.idle_deadline,
                    fields: Default::default(),
                };
                Record::new(new)
            };
            state.records.entry(key).or_insert_with(adopt);
        }
        let Some(record) = state.records.get_mut(&key) else { return Ok(Loaded::Missing) };
        if renewal.is_some() {
            let change = self.spoil(record, op.now, &Change { renewal, ..Change::new() });
            record.apply(&op, &presented, &change);
            if let (Defect::RenewalMovesBack, Some(renewal)) = (self.defect, renewal) {
                record.idle_deadline = renewal.idle_deadline.min(record.absolute_deadline);
            }
        }
        Ok(Loaded::judge(record, &presented, op.now))
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        self.refuse_if_late(&op)?;
        if self.has(Defect::UpsertOnApply) {
            let new = NewRecord {
                secret: presented.secret,
                principal: None,
                created: op.now,
                idle_deadline: presented.idle_deadline,
                absolute_deadline: presented.idle_deadline,
                fields: Default::default(),
            };
            self.state().records.entry(key).or_insert_with(|| Record::new(new));
        }
        let applied = self.write(key, |record| {
            let change = self.spoil(record, op.now, change);
            record.apply(&op, &presented, &change)
        });
        Ok(applied.await.unwrap_or(Applied::Missing))
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
        let mut rotation = rotation.clone();
        match self.defect {
            Defect::GraceNeverEnds if rotation.grace_until.is_some() => rotation.grace_until = Some(FOR_EVER),
            Defect::PromoteKeepsOld if rotation.grace_until.is_none() => rotation.grace_until = Some(op.now + SLACK),
            _ => {}
        }
        let rotated = self.write(key, |record| {
            let change = self.spoil(record, op.now, change);
            let graced = matches!(record.standing(&presented, op.now), Standing::Live(unstick_core::Proof::Grace));
            if self.has(Defect::GraceRotates) && graced {
                let current = Presented { secret: record.secret, ..presented };
                return record.rotate(&op, &current, &rotation, &change);
            }
            record.rotate(&op, &presented, &rotation, &change)
        });
        Ok(rotated.await.unwrap_or(Rotated::Refused(Applied::Missing)))
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        self.refuse_if_late(&op)?;
        let mut state = self.state();
        if self.has(Defect::NoTombstone) {
            return Ok(Ended::Done { was_live: state.records.remove(&key).is_some() });
        }
        let presented = presented.filter(|_| !self.has(Defect::SupersededEnds));
        Ok(match state.records.get_mut(&key) {
            Some(record) => end_in_place(record, op.now, presented.as_ref(), until),
            None => {
                state.records.insert(key, Record::tombstone(op.now, until));
                Ended::Done { was_live: false }
            }
        })
    }

    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        let limit = if self.has(Defect::UnboundedSweep) { usize::MAX } else { limit };
        let mut state = self.state();
        let dead = |record: &Record| {
            record.is_collectable(op.now, SLACK) || (self.has(Defect::SweepsTombstones) && matches!(record.life, Life::Ended { .. }))
        };
        let keys: Vec<RecordKey> = state.records.iter().filter(|(_, record)| dead(record)).map(|(key, _)| *key).take(limit).collect();
        for key in &keys {
            state.records.remove(key);
        }
        Ok(keys.len())
    }

    async fn update_locked(&self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        self.refuse_if_late(&op)?;
        let mut state = self.state();
        let Some(record) = state.records.get_mut(&key) else { return Ok(Some(Applied::Missing)) };
        let change = match record.standing(&presented, op.now) {
            Standing::Live(_) => decide(&record.fields)?,
            _ => Change::new(), // refused below
        };
        let already = record.applied.iter().any(|(id, _)| *id == op.op_id);
        let change = if already { change } else { self.spoil(record, op.now, &change) };
        Ok(Some(record.apply(&op, &presented, &change)))
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        Some(self)
    }

    /// Only where it is the subject: some defects of loading are not those of the record.
    fn at_hand(&self) -> Option<&dyn AtHand> {
        matches!(self.defect, Defect::None | Defect::AtHandUnjudged).then_some(self as &dyn AtHand)
    }
}

impl AtHand for BrokenStore {
    fn read(&self, now: Timestamp, key: &RecordKey, presented: &Presented) -> Option<Loaded> {
        let state = self.state();
        let Some(record) = state.records.get(key) else { return Some(Loaded::Missing) };
        if self.has(Defect::AtHandUnjudged) {
            let living = Record { life: Life::Live, idle_deadline: FOR_EVER, absolute_deadline: FOR_EVER, ..record.clone() };
            return Some(Loaded::judge(&living, presented, now));
        }
        Some(Loaded::judge(record, presented, now))
    }
}
