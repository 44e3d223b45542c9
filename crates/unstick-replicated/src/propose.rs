//! Changing what is decided.

use std::{sync::Arc, time::Duration};

use unstick_core::{Error, ErrorKind, OpCtx, Record, RecordKey, Store};

use crate::{
    agree::{Agreed, harmless, nobody, worse},
    entry::Entry,
    inner::{Clock, Inner},
    replica::Held,
    verdict::{Answer, Answers, Slot, State},
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

/// First A, then B, so that writers who reach both meet in A; one that rested, or failed just now, only if it is needed. The witness
/// only when one of them has confirmed.
fn next_place(tried: [bool; 3], placed: u8, answers: &Answers, witness: bool) -> Option<Slot> {
    let untried = |slot: &Slot| !tried[*slot as usize];
    let holds = |slot: &Slot| answers.held(*slot).is_some();
    let mut data = Slot::DATA.into_iter().filter(untried);
    data.clone().find(holds).or_else(|| Some(Slot::Witness).filter(|slot| witness && placed > 0 && untried(slot))).or_else(|| data.next())
}

fn away() -> Error {
    Error::new(ErrorKind::Unavailable, "one store of a replicated pair is away")
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

    async fn propose(&self, op: &OpCtx, key: RecordKey, clock: Clock, answers: &Answers, entry: &Arc<Entry>) -> Placed {
        let (mut tried, mut placed, mut unsure, mut error) = ([false; 3], 0_u8, false, None);
        while let Some(slot) = next_place(tried, placed, answers, self.witness) {
            tried[slot as usize] = true;
            // With one store away the others are needed, and get the time.
            let limit = if error.is_some() { self.left(clock) / 2 } else { self.limit(clock, self.witness) };
            match self.place(op, key, slot, limit, answers, entry).await {
                Ok(true) => placed += 1,
                Ok(false) => return Placed::Overtaken { unsure: unsure || placed > 0 },
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
                Slot::DATA.into_iter().filter(|slot| !tried[*slot as usize]).for_each(|slot| self.missed.add(key, slot));
                return Placed::Decided;
            }
        }
        Placed::Failed { unsure: unsure || placed > 0, error: error.unwrap_or_else(nobody) }
    }

    /// Puts the entry into one store, which is read first if it was not asked; whether it has it now.
    async fn place(
        &self,
        op: &OpCtx,
        key: RecordKey,
        slot: Slot,
        limit: Duration,
        answers: &Answers,
        entry: &Arc<Entry>,
    ) -> Result<bool, Error> {
        let read: Held;
        let base = match answers.get(slot) {
            Answer::Holds(held) => held,
            Answer::Failed | Answer::NotAsked => {
                read = self.read(op, key, slot, limit).await.map_err(|error| harmless(&error))?;
                &read
            }
        };
        if let Some(held) = base.entry().filter(|held| held.version >= entry.version) {
            return Ok(held.is_same(entry)); // perhaps somebody has completed it
        }
        if !base.is_open() {
            return Err(away());
        }
        Ok(self.accept(op, key, slot, base, entry, limit).await?.is_some())
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
