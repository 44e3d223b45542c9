//! Finding out what is decided, and completing what is half done.

use std::time::Duration;

use unstick_core::{Error, ErrorKind, OpCtx, RecordKey, Store};

use crate::{
    inner::{Clock, Inner},
    replica::Held,
    verdict::{Answer, Answers, Slot, State, Verdict, verdict},
};

/// A decided state, and what the stores held then.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) state: State,
    pub(crate) answers: Answers,
}

/// Too few stores have answered.
#[derive(Debug)]
pub(crate) struct Unsettled {
    pub(crate) answers: Answers,
    pub(crate) error: Error,
}

/// The most telling of several errors: unreadable data is no outage, and lateness is the caller's.
pub(crate) fn worse(before: Option<Error>, error: Error) -> Error {
    let tells = |error: &Error| matches!(error.kind(), ErrorKind::UnknownFormat | ErrorKind::Corrupt | ErrorKind::Late | ErrorKind::Full);
    match before {
        Some(before) if tells(&before) || !tells(&error) && !error.is_outcome_unknown() => before,
        _ => error,
    }
}

/// Too few, for no reason of their own.
pub(crate) fn nobody() -> Error {
    Error::new(ErrorKind::Unavailable, "too few stores of a replicated pair answered")
}

/// For what failed without having changed anything: there is no unknown outcome in it.
pub(crate) fn harmless(error: &Error) -> Error {
    if error.is_outcome_unknown() {
        Error::with_source(ErrorKind::Unavailable, "too few stores of a replicated pair answered", error.clone())
    } else {
        error.clone()
    }
}

impl<A: Store, B: Store, W: Store> Inner<A, B, W> {
    /// Asks two stores, and a third one if one of them fails.
    async fn gather(&self, op: &OpCtx, key: RecordKey, clock: Clock, [one, two]: [Slot; 2], limit: Duration) -> (Answers, Option<Error>) {
        let (mut answers, mut error) = (Answers::default(), None);
        let (of_one, of_two) = tokio::join!(self.read(op, key, one, limit), self.read(op, key, two, limit));
        for (slot, answer) in [(one, of_one), (two, of_two)] {
            note(&mut answers, &mut error, slot, answer);
        }
        let rest = self.slots().iter().find(|slot| ![one, two].contains(slot));
        if let (Some(slot), true) = (rest, answers.count() == 1) {
            let answer = self.read(op, key, *slot, self.left(clock)).await;
            note(&mut answers, &mut error, *slot, answer);
        }
        (answers, error)
    }

    /// What is decided under a key. In a `hurry`, a store that does not answer is given up for good after the patience.
    pub(crate) async fn agree(&self, op: &OpCtx, key: RecordKey, clock: Clock, hurry: bool) -> Result<Agreed, Unsettled> {
        self.agree_by(op, key, clock, self.first_two(), hurry).await
    }

    /// The same, asking these two first.
    pub(crate) async fn agree_by(
        &self,
        op: &OpCtx,
        key: RecordKey,
        clock: Clock,
        first: [Slot; 2],
        hurry: bool,
    ) -> Result<Agreed, Unsettled> {
        let mut limit = self.limit(clock, hurry || self.witness);
        let mut asks_again = self.witness;
        loop {
            let (mut answers, mut error) = self.gather(op, key, clock, first, limit).await;
            let overtaken = loop {
                match self.judge(&answers, op) {
                    Verdict::Agreed(state) => return Ok(Agreed { state, answers }),
                    Verdict::Ask(slot) => {
                        let answer = self.read(op, key, slot, self.limit(clock, true)).await;
                        note(&mut answers, &mut error, slot, answer);
                    }
                    Verdict::Copy { to, entry } => {
                        let Some(base) = answers.held(to) else { break true };
                        match self.accept(op, key, to, base, &entry, self.limit(clock, self.witness)).await {
                            Ok(Some(held)) => answers.set(to, Answer::Holds(held)),
                            Ok(None) => break true,
                            Err(failed) => {
                                self.missed.add(key, to);
                                note(&mut answers, &mut error, to, Err(failed));
                            }
                        }
                    }
                    Verdict::Bury { to, at, until } => {
                        let answer = self.bury(op, key, to, at, until, self.limit(clock, self.witness)).await;
                        note(&mut answers, &mut error, to, answer);
                    }
                    Verdict::Short => break false,
                }
            };
            if !overtaken && asks_again && !self.left(clock).is_zero() {
                // One is away, and another one was slow, or its connection had not noticed a restart: they are asked once more.
                (asks_again, limit) = (false, self.left(clock) / 3);
                continue;
            }
            if !overtaken || self.left(clock).is_zero() {
                let error = harmless(&error.unwrap_or_else(nobody));
                return Err(Unsettled { answers, error });
            }
            tokio::task::yield_now().await;
        }
    }

    fn judge(&self, answers: &Answers, op: &OpCtx) -> Verdict {
        #[cfg(feature = "mutants")]
        if let Some(broken) = crate::mutants::judge(self.defect, answers) {
            return broken;
        }
        verdict(answers, self.witness, op.now)
    }
}

fn note(answers: &mut Answers, error: &mut Option<Error>, slot: Slot, answer: Result<Held, Error>) {
    match answer {
        Ok(held) => answers.set(slot, Answer::Holds(held)),
        Err(failed) => {
            answers.set(slot, Answer::Failed);
            *error = Some(worse(error.take(), failed));
        }
    }
}
