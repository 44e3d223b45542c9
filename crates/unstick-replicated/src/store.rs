//! The pair as a store.

use std::{fmt, sync::Arc, time::Duration};

use unstick_core::{
    Applied, Change, Created, Ended, Error, ErrorKind, Events, Life, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, Record, RecordKey,
    Renewal, Rotated, Rotation, Runtime, Scope, Store, Timestamp, end_in_place,
};

use crate::{
    NoWitness, ReplicatedBuilder,
    agree::{Agreed, Unsettled},
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
        if self.witness || self.missed.has(key) || matches!(unsettled.error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownFormat) {
            return None;
        }
        match Slot::DATA.into_iter().find_map(|slot| unsettled.answers.held(slot))? {
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
                written(&entry.record, record, applied.is_done(), applied)
            }
        };
        self.change(&op, key, self.clock(&op), known, step).await
    }

    /// Ends a session; `before` is told what was there.
    pub(crate) async fn finish(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        let (clock, mut was_live, mut leaves) = (self.clock(&op), false, None);
        let step = |state: &State| match state {
            State::Spent => Step::Answer(Ended::Done { was_live: false }),
            State::Buried { at } => {
                leaves = Some((*at, until)); // it may have to stand longer
                Step::Answer(Ended::Done { was_live: false })
            }
            State::Nothing => Step::Write(Box::new(Record::tombstone(op.now, until)), Ended::Done { was_live: false }),
            State::Entry(entry) => {
                let mut record = entry.record.clone();
                let is_ours = entry.ended().is_some() && record.applied.iter().any(|(id, _)| *id == op.op_id);
                if is_ours && was_live {
                    return Step::Answer(Ended::Done { was_live }); // it got there although a store was faster
                }
                let ended = end_in_place(&mut record, op.now, presented.as_ref(), until);
                let Ended::Done { was_live: alive } = ended else { return Step::Answer(ended) };
                was_live |= alive;
                if let (Some(_), Life::Ended { at, until }) = (&entry.record.principal, record.life) {
                    leaves = Some((at, until));
                }
                if entry.record.life == record.life {
                    return Step::Answer(ended);
                }
                record.applied.push((op.op_id, op.deadline));
                Step::Write(Box::new(record), ended)
            }
        };
        let ended = self.change(&op, key, clock, None, step).await?;
        if let (Ended::Done { .. }, Some((at, until))) = (ended, leaves) {
            self.bury_all(&op, key, at, until, clock).await;
        }
        Ok(ended)
    }

    /// Takes an ended session out of the stores' own indexes, and makes it theirs to collect. Not needed for it to be dead.
    pub(crate) async fn bury_all(&self, op: &OpCtx, key: RecordKey, at: Timestamp, until: Timestamp, clock: Clock) {
        for slot in Slot::DATA {
            if self.bury(op, key, slot, at, until, self.limit(clock, true)).await.is_err() {
                self.missed.add(key, slot);
            }
        }
    }
}

/// To be written if it was done and is new.
fn written<T>(before: &Record, after: Record, done: bool, answer: T) -> Step<T> {
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
        let scopes = [self.inner.a.scope(), self.inner.b.scope()];
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
        let (state, agreed) = match self.inner.look(&op, key, self.inner.clock(&op)).await {
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
        }
        self.inner.mend();
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
                written(&entry.record, record, matches!(rotated, Rotated::Done { .. }), rotated)
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

    /// Sweeps every store, and returns the larger number: what is kept in both counts once.
    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        let (clock, mut most, mut failed) = (self.inner.clock(&op), 0, None);
        for slot in self.inner.slots() {
            match self.inner.sweep(&op, *slot, limit, clock).await {
                Ok(swept) => most = most.max(swept),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(most), Err)
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        self.inner.has_index().then_some(self)
    }
}
