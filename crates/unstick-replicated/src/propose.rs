//! Changing what is decided.

use std::sync::Arc;

use unstick_core::{Error, ErrorKind, OpCtx, Record, RecordKey, Store};

use crate::{
    agree::{Agreed, harmless, nobody, worse},
    entry::Entry,
    inner::{Clock, Inner},
    replica::Held,
    verdict::{Answers, Slot, State},
};

/// What a step makes of a state.
pub(crate) enum Step<T> {
    /// Nothing is to be written.
    Answer(T),
    /// This is to be written; then that is the answer.
    Write(Box<Record>, T),
}

/// What became of a proposal.
enum Placed {
    /// Two stores have it.
    Decided,
    /// Somebody else was faster in a store. `unsure`: another store may have it all the same.
    Overtaken { unsure: bool },
    /// Too few stores took it.
    Failed { unsure: bool, error: Error },
}

impl<A: Store, B: Store, W: Store> Inner<A, B, W> {
    /// Changes a record in one step, however often that takes: `step` is called anew when others were faster.
    pub(crate) async fn change<T>(
        &self,
        op: &OpCtx,
        key: RecordKey,
        clock: Clock,
        mut known: Option<Agreed>,
        mut step: impl FnMut(&State) -> Step<T>,
    ) -> Result<T, Error> {
        // The answer to what one store may have taken, in case whoever was faster has completed it.
        let mut pending = None;
        loop {
            let agreed = match known.take() {
                Some(agreed) => agreed,
                None => match self.agree(op, key, clock, false).await {
                    Ok(agreed) => agreed,
                    Err(unsettled) => return Err(self.given_up(pending.is_some(), unsettled.error)),
                },
            };
            if let (State::Entry(entry), Some(_)) = (&agreed.state, &pending)
                && entry.record.applied.iter().any(|(id, _)| *id == op.op_id)
                && let Some(answer) = pending.take()
            {
                return Ok(answer);
            }
            let (record, answer) = match step(&agreed.state) {
                Step::Answer(answer) => return Ok(answer),
                Step::Write(record, answer) => (*record, answer),
            };
            let entry = Arc::new(Entry { version: agreed.state.version() + 1, proposal: self.numbers.next(), record });
            match self.propose(op, key, clock, &agreed.answers, &entry).await {
                Placed::Decided => return Ok(answer),
                Placed::Overtaken { unsure: true } => pending = Some(answer),
                Placed::Overtaken { unsure: false } => {}
                Placed::Failed { unsure, error } => return Err(self.given_up(unsure || pending.is_some(), error)),
            }
            if self.left(clock).is_zero() {
                return Err(
                    self.given_up(pending.is_some(), Error::new(ErrorKind::Contended, "others changed the session again and again"))
                );
            }
            tokio::task::yield_now().await;
        }
    }

    #[allow(clippy::unused_self, reason = "reads as what the pair does")]
    pub(crate) fn given_up(&self, unsure: bool, error: Error) -> Error {
        if unsure {
            Error::with_source(ErrorKind::Timeout, "one store of a replicated pair may have taken a change that the other has not", error)
        } else {
            harmless(&error)
        }
    }

    /// First A, then B, so that writers who reach both meet in A. The witness only when one of them has confirmed.
    async fn propose(&self, op: &OpCtx, key: RecordKey, clock: Clock, answers: &Answers, entry: &Arc<Entry>) -> Placed {
        let (mut placed, mut unsure, mut error) = (0_u8, false, None);
        for slot in Slot::DATA {
            let answer = match answers.held(slot).filter(|held| held.is_open()) {
                Some(base) => self.accept(op, key, slot, base, entry, self.limit(clock, self.witness)).await,
                None => Err(Error::new(ErrorKind::Unavailable, "one store of a replicated pair is away")),
            };
            match answer {
                Ok(Some(_)) => placed += 1,
                Ok(None) => return Placed::Overtaken { unsure: unsure || placed > 0 },
                Err(failed) => {
                    unsure |= failed.is_outcome_unknown();
                    error = Some(worse(error, failed));
                    self.missed.add(key, slot);
                    if !self.witness && !self.goes_alone() {
                        break; // what is in B must be in A
                    }
                }
            }
            if placed > 0 && self.is_satisfied(placed, entry) {
                return Placed::Decided;
            }
        }
        if placed == 1 && self.witness {
            match self.tell_witness(op, key, clock, answers, entry).await {
                Ok(true) => placed += 1,
                Ok(false) => return Placed::Overtaken { unsure: true },
                Err(failed) => error = Some(worse(error, failed)),
            }
        }
        if self.is_satisfied(placed, entry) {
            return Placed::Decided;
        }
        let error = error.unwrap_or_else(nobody);
        Placed::Failed { unsure: unsure || placed > 0, error }
    }

    async fn tell_witness(&self, op: &OpCtx, key: RecordKey, clock: Clock, answers: &Answers, entry: &Arc<Entry>) -> Result<bool, Error> {
        let read: Held;
        let base = match answers.held(Slot::Witness) {
            Some(held) => held,
            None => {
                read = self.read(op, key, Slot::Witness, self.left(clock)).await?;
                &read
            }
        };
        if let Some(held) = base.entry().filter(|held| held.version >= entry.version) {
            return Ok(held.is_same(entry)); // perhaps somebody has completed it
        }
        Ok(self.accept(op, key, Slot::Witness, base, entry, self.left(clock)).await?.is_some())
    }

    #[cfg(not(feature = "mutants"))]
    #[allow(clippy::unused_self, reason = "a broken one looks at itself")]
    fn is_satisfied(&self, placed: u8, _: &Entry) -> bool {
        placed >= 2
    }

    #[cfg(feature = "mutants")]
    fn is_satisfied(&self, placed: u8, entry: &Entry) -> bool {
        let lazy = self.has(crate::Defect::AcknowledgesOneCopy)
            || self.goes_alone()
            || self.has(crate::Defect::EndsOnOneStore) && entry.ended().is_some();
        placed >= if lazy { 1 } else { 2 }
    }

    #[cfg(not(feature = "mutants"))]
    #[allow(clippy::unused_self, reason = "a broken one looks at itself")]
    fn goes_alone(&self) -> bool {
        false
    }

    #[cfg(feature = "mutants")]
    fn goes_alone(&self) -> bool {
        self.has(crate::Defect::GoesOnAlone)
    }
}
