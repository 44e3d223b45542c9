//! The pair as a store.

use std::{fmt, sync::Arc, time::Duration};

use unstick_core::{
    Applied, Change, Created, Ended, Error, ErrorKind, Events, Life, Loaded, NewRecord, OpCtx, OpId, Presented, PrincipalIndex, Record,
    RecordKey, Renewal, Rotated, Rotation, Runtime, Scope, Store, Timestamp, end_in_place,
};

use crate::{
    NoWitness, ReplicatedBuilder,
    agree::{Agreed, Unsettled, nobody, worse},
    inner::{Clock, Inner},
    propose::Step,
    replica::Held,
    verdict::{Slot, State},
};

/// Two stores, and perhaps a witness, as one store. Clones share them. See the [crate docs](crate).
pub struct Replicated<A, B, W = NoWitness> {
    pub(crate) inner: Arc<Inner<A, B, W>>,
}

impl<A: Store, B: Store> Replicated<A, B> {
    /// Settings of a pair, which is made by [`build`](ReplicatedBuilder::build). All nodes name the two in the same order.
    pub fn builder(a: A, b: B) -> ReplicatedBuilder<A, B, NoWitness> {
        ReplicatedBuilder {
            a,
            b,
            w: NoWitness,
            witness: false,
            patience: Duration::from_millis(250),
            runtime: Runtime::default(),
            events: Events::default(),
            #[cfg(feature = "mutants")]
            defect: None,
        }
    }
}

impl<A, B, W> Replicated<A, B, W> {
    /// The first store.
    #[must_use]
    pub fn a(&self) -> &A {
        &self.inner.a
    }

    /// The second store.
    #[must_use]
    pub fn b(&self) -> &B {
        &self.inner.b
    }

    /// The witness.
    #[must_use]
    pub fn w(&self) -> &W {
        &self.inner.w
    }

    /// How many sessions one of the two stores has missed and has not got yet, as far as this node knows. At most 10 000.
    #[must_use]
    pub fn missed(&self) -> usize {
        self.inner.missed.len()
    }
}

impl<A, B, W> Clone for Replicated<A, B, W> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<A: fmt::Debug, B: fmt::Debug, W: fmt::Debug> fmt::Debug for Replicated<A, B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { a, b, w, .. } = &*self.inner;
        f.debug_struct("Replicated").field("a", a).field("b", b).field("witness", w).finish_non_exhaustive()
    }
}

impl<A: Store, B: Store, W: Store> Inner<A, B, W> {
    pub(crate) fn refuse_if_late(&self, op: &OpCtx) -> Result<(), Error> {
        op.refuse_if_late(op.now.max(self.runtime.wall()))
    }

    /// What one store says while the other is away, where that may be believed: two stores have all that was acknowledged.
    fn alone(&self, key: RecordKey, unsettled: &Unsettled) -> Option<State> {
        if self.witness || matches!(unsettled.error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownFormat) {
            return None;
        }
        let (slot, held) = Slot::DATA.into_iter().find_map(|slot| Some((slot, unsettled.answers.held(slot)?)))?;
        if self.missed.has(key, slot) {
            return None; // it lacks what the other one has
        }
        match held {
            Held::Kept(kept) => Some(State::Entry(kept.entry.clone())),
            Held::Buried { at } => Some(State::Buried { at: *at }),
            Held::Spent => Some(State::Spent),
            Held::Nothing => self.nothing_alone(),
        }
    }

    /// A store may have lost what it does not have.
    #[allow(clippy::unused_self, reason = "a broken one looks at itself")]
    fn nothing_alone(&self) -> Option<State> {
        #[cfg(feature = "mutants")]
        if self.has(crate::Defect::AbsenceFromOne) {
            return Some(State::Nothing);
        }
        None
    }

    /// For reading only.
    pub(crate) async fn look(&self, op: &OpCtx, key: RecordKey, clock: Clock) -> Result<(State, Option<Agreed>), Error> {
        match self.agree(op, key, clock, true).await {
            Ok(agreed) => Ok((agreed.state.clone(), Some(agreed))),
            Err(unsettled) => self.alone(key, &unsettled).map(|state| (state, None)).ok_or(unsettled.error),
        }
    }

    async fn merge(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        change: &Change,
        known: Option<Agreed>,
    ) -> Result<Applied, Error> {
        let step = |state: &State| match state {
            State::Nothing => Step::Answer(Applied::Missing),
            State::Spent => Step::Answer(Applied::Expired),
            State::Buried { at } => Step::Answer(Applied::Ended { at: *at }),
            State::Entry(entry) => {
                let mut record = entry.record.clone();
                let applied = record.apply(&op, &presented, change);
                written(&op, &entry.record, record, applied.is_done(), applied)
            }
        };
        self.change(&op, key, self.clock(&op), known, step).await
    }

    /// Ends a session.
    pub(crate) async fn finish(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        let (clock, mut leaves) = (self.clock(&op), Leaves::Nothing);
        let step = |state: &State| match state {
            // What the stores are about to sweep cannot be replaced, and a tombstone of their own may have to stand longer.
            State::Spent | State::Buried { .. } => {
                let at = if let State::Buried { at } = state { *at } else { op.now };
                leaves = Leaves::Tombstone { at, until };
                Step::Answer(Ended::Done { was_live: false })
            }
            State::Nothing => Step::Write(Box::new(Record::tombstone(op.now, until)), Ended::Done { was_live: false }),
            State::Entry(entry) => {
                let mut record = entry.record.clone();
                let ended = end_in_place(&mut record, op.now, presented.as_ref(), until);
                if !matches!(ended, Ended::Done { .. }) {
                    return Step::Answer(ended);
                }
                if let (Some(_), Life::Ended { at, until }) = (&entry.record.principal, record.life) {
                    leaves = Leaves::Place { at, until };
                }
                if entry.record.life == record.life {
                    return Step::Answer(ended);
                }
                record.applied.push((op.op_id, op.deadline));
                Step::Write(Box::new(record), ended)
            }
        };
        let ended = self.change(&op, key, clock, None, step).await?;
        match (ended, leaves) {
            (Ended::Done { .. }, Leaves::Tombstone { at, until }) => self.bury_twice(&op, key, at, until, clock).await?,
            (Ended::Done { .. }, Leaves::Place { at, until }) => self.bury_all(&op, key, at, until, clock).await,
            _ => {}
        }
        Ok(ended)
    }

    async fn bury_twice(&self, op: &OpCtx, key: RecordKey, at: Timestamp, until: Timestamp, clock: Clock) -> Result<(), Error> {
        let (mut buried, mut failed) = (0, None);
        for slot in self.slots() {
            match self.bury(op, key, *slot, at, until, self.limit(clock, self.witness)).await {
                Ok(_) => buried += 1,
                Err(error) => failed = Some(worse(failed.take(), error)),
            }
            if buried == 2 {
                return Ok(());
            }
        }
        Err(self.given_up(buried > 0, failed.unwrap_or_else(nobody)))
    }

    /// Takes an ended session out of the stores' own indexes. It is dead without that; its place is tidied up when it is next wanted.
    pub(crate) async fn bury_all(&self, op: &OpCtx, key: RecordKey, at: Timestamp, until: Timestamp, clock: Clock) {
        let mut buried = 0;
        for slot in self.slots() {
            if buried == 2 {
                break; // the witness knows of it only when one of the others is away
            }
            // A store that is away has missed the end itself, which is remembered.
            buried += u32::from(self.bury(op, key, *slot, at, until, self.limit(clock, true)).await.is_ok());
        }
    }
}

/// What an end leaves besides the new version.
enum Leaves {
    Nothing,
    /// A place in the stores' indexes.
    Place {
        at: Timestamp,
        until: Timestamp,
    },
    /// A tombstone in the stores themselves.
    Tombstone {
        at: Timestamp,
        until: Timestamp,
    },
}

/// How far the nodes' clocks may be apart for an operation that is tried again by another node to take effect once.
const SKEW: Duration = Duration::from_secs(10);

/// To be written if it was done and is new.
fn written<T>(op: &OpCtx, before: &Record, mut after: Record, done: bool, answer: T) -> Step<T> {
    // No engine's clock judges a record here, but each node's: one that is ahead must not forget what another one may try again.
    let remembered = |(id, deadline): &&(OpId, Timestamp)| *deadline + SKEW > op.now && after.applied.iter().all(|(other, _)| other != id);
    let early: Vec<_> = before.applied.iter().filter(remembered).copied().collect();
    after.applied.extend(early);
    if done && after != *before { Step::Write(Box::new(after), answer) } else { Step::Answer(answer) }
}

fn loaded(state: &State, presented: &Presented, now: Timestamp) -> Loaded {
    match state {
        State::Nothing => Loaded::Missing,
        State::Spent => Loaded::Expired,
        State::Buried { at } => Loaded::Ended { at: *at },
        State::Entry(entry) => Loaded::judge(&entry.record, presented, now),
    }
}

impl<A: Store, B: Store, W: Store> Store for Replicated<A, B, W> {
    /// The narrower one.
    fn scope(&self) -> Scope {
        // A witness of each process's own would decide for each process.
        let scopes = [self.inner.a.scope(), self.inner.b.scope(), self.inner.w.scope()];
        if scopes.contains(&Scope::Process) {
            Scope::Process
        } else if scopes.contains(&Scope::Host) {
            Scope::Host
        } else {
            scopes[0]
        }
    }

    fn name(&self) -> &'static str {
        "replicated"
    }

    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        self.inner.refuse_if_late(&op)?;
        let step = |state: &State| match state {
            State::Nothing => {
                let mut record = Record::new(new.clone());
                record.applied.push((op.op_id, op.deadline));
                Step::Write(Box::new(record), Created::Done)
            }
            State::Spent => Step::Answer(Created::Exists),
            State::Buried { at } => Step::Answer(Created::Ended { at: *at }),
            State::Entry(entry) => Step::Answer(match entry.record.life {
                Life::Ended { at, .. } => Created::Ended { at },
                Life::Live if entry.record.applied.iter().any(|(id, _)| *id == op.op_id) => Created::Done,
                Life::Live => Created::Exists,
            }),
        };
        let created = self.inner.change(&op, key, self.inner.clock(&op), None, step).await;
        self.inner.mend();
        created
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        if renewal.is_some() {
            self.inner.refuse_if_late(&op)?;
        }
        let seen = self.inner.look(&op, key, self.inner.clock(&op)).await;
        self.inner.mend();
        let (state, agreed) = match seen {
            Ok(seen) => seen,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownFormat) => {
                return Ok(Loaded::Unreadable(error.kind()));
            }
            Err(error) => return Err(error),
        };
        let mut seen = loaded(&state, &presented, op.now);
        if let (Loaded::Live(live), Some(renewal), Some(agreed)) = (&mut seen, renewal, agreed) {
            let change = Change { renewal: Some(renewal), ..Change::new() };
            // A session that cannot be renewed just now is served all the same, until its old deadline.
            match self.inner.merge(op, key, presented, &change, Some(agreed)).await {
                Ok(Applied::Done { idle_deadline, .. }) => live.idle_deadline = idle_deadline,
                Ok(Applied::Ended { at }) => seen = Loaded::Ended { at },
                Ok(Applied::Superseded { at }) => seen = Loaded::Superseded { at },
                Ok(_) | Err(_) => {}
            }
            self.inner.mend();
        }
        Ok(seen)
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        self.inner.refuse_if_late(&op)?;
        let applied = self.inner.merge(op, key, presented, change, None).await;
        self.inner.mend();
        match applied {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownFormat) => Ok(Applied::Unreadable(error.kind())),
            applied => applied,
        }
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
        let step = |state: &State| match state {
            State::Nothing => Step::Answer(Rotated::Refused(Applied::Missing)),
            State::Spent => Step::Answer(Rotated::Refused(Applied::Expired)),
            State::Buried { at } => Step::Answer(Rotated::Refused(Applied::Ended { at: *at })),
            State::Entry(entry) => {
                let mut record = entry.record.clone();
                let rotated = record.rotate(&op, &presented, rotation, change);
                written(&op, &entry.record, record, matches!(rotated, Rotated::Done { .. }), rotated)
            }
        };
        let rotated = self.inner.change(&op, key, self.inner.clock(&op), None, step).await;
        self.inner.mend();
        match rotated {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownFormat) => {
                Ok(Rotated::Refused(Applied::Unreadable(error.kind())))
            }
            rotated => rotated,
        }
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        self.inner.refuse_if_late(&op)?;
        let ended = self.inner.finish(op, key, presented, until).await;
        self.inner.mend();
        ended
    }

    /// Sweeps every store, and returns the smaller number of A and B: what is gone from one of them only is not gone.
    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        let (clock, mut least, mut failed) = (self.inner.clock(&op), limit, None);
        for slot in self.inner.slots() {
            match self.inner.sweep(&op, *slot, limit, clock).await {
                Ok(swept) if *slot != Slot::Witness => least = least.min(swept),
                Ok(_) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        self.inner.mend();
        failed.map_or(Ok(least), Err)
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        self.inner.has_index().then_some(self)
    }
}
