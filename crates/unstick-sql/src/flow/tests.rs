//! Which deliveries are repeated, and what is told when both came to something.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use unstick_core::{OpId, Runtime, SecretHash};
use unstick_testkit::clock::ManualClock;

use super::*;
use crate::engine::Turned;

/// Answers changes as it was told to, and knows of no session.
struct Scripted {
    clock: ManualClock,
    runtime: Runtime,
    answers: Mutex<VecDeque<Answer>>,
    delivered: Mutex<Vec<Timestamp>>,
    /// What the engine's clock is taken to be ahead by, and what every answer shows it to be.
    estimate: AtomicI64,
    truth: i64,
}

enum Answer {
    Done,
    Error(ErrorKind),
    /// As an engine that finds the operation late.
    Late,
    /// Takes so long that the caller's time is over.
    Slow(ErrorKind),
}

const BUDGET: Duration = Duration::from_secs(2);

impl Scripted {
    fn new(answers: impl Into<VecDeque<Answer>>) -> Self {
        let clock = ManualClock::default();
        let (runtime, answers, delivered) = (clock.runtime(), Mutex::new(answers.into()), Mutex::default());
        Self { clock, runtime, answers, delivered, estimate: AtomicI64::new(0), truth: 0 }
    }

    async fn apply(&self) -> Result<Applied, ErrorKind> {
        let now = self.clock.now();
        let op = OpCtx { now, deadline: now + BUDGET, op_id: OpId::from_u128(1) };
        let presented = Presented { secret: SecretHash::from_bytes([1; 16]), issued: now, idle_deadline: now };
        apply(self, &op, &RecordKey::from_bytes([1; 32]), &presented, &Change::new()).await.map_err(|error| error.kind())
    }

    fn deliveries(&self) -> usize {
        self.delivered.lock().unwrap().len()
    }
}

fn unused<T>() -> Result<T, Error> {
    Err(Error::new(ErrorKind::Unsupported, "not in this script"))
}

impl Engine for Scripted {
    const REMOTE: bool = true;
    type Locked = ();

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }
    fn deadline(&self, here: Timestamp) -> Timestamp {
        Timestamp::from_millis(here.as_millis() + self.estimate.load(Ordering::Relaxed))
    }
    async fn apply(&self, call: Call<'_>, _: &RecordKey, _: &Presented, _: &Change) -> Result<Outcome<Written>, Error> {
        self.delivered.lock().unwrap().push(call.deadline);
        match self.answers.lock().unwrap().pop_front().unwrap() {
            Answer::Done => Ok(Outcome::Done(Written { idle_deadline: call.op.now, proof: unstick_core::Proof::Current })),
            Answer::Late => Ok(Outcome::Nothing),
            Answer::Error(kind) => Err(Error::new(kind, "as scripted")),
            Answer::Slow(kind) => {
                self.clock.advance(BUDGET);
                Err(Error::new(kind, "as scripted"))
            }
        }
    }
    async fn find(&self, call: Call<'_>, _: &RecordKey) -> Result<Seen, Error> {
        self.estimate.store(self.truth, Ordering::Relaxed);
        Ok(Seen { row: None, clock: Some(call.deadline) })
    }

    async fn insert(&self, _: Call<'_>, _: &RecordKey, _: &NewRecord) -> Result<bool, Error> {
        unused()
    }
    async fn find_renewing(&self, _: Call<'_>, _: &RecordKey, _: &Presented, _: &Renewal) -> Result<Seen, Error> {
        unused()
    }
    async fn rotate(&self, _: Call<'_>, _: &RecordKey, _: &Presented, _: &Rotation, _: &Change) -> Result<Outcome<Turned>, Error> {
        unused()
    }
    async fn end(&self, _: Call<'_>, _: &RecordKey, _: Option<&Presented>, _: Timestamp) -> Result<Option<bool>, Error> {
        unused()
    }
    async fn list(&self, _: Call<'_>, _: &str) -> Result<Vec<SessionEntry>, Error> {
        unused()
    }
    async fn end_others(&self, _: Call<'_>, _: &str, _: Option<&RecordKey>, _: Duration) -> Result<Option<u64>, Error> {
        unused()
    }
    async fn has_newer(&self, _: Call<'_>, _: &str, _: Option<&RecordKey>) -> Result<bool, Error> {
        unused()
    }
    async fn reserve(&self, _: Call<'_>, _: &str, _: &RecordKey, _: NonZeroU32, _: Timestamp) -> Result<Option<Reservation>, Error> {
        unused()
    }
    async fn sweep(&self, _: Call<'_>, _: usize) -> Result<usize, Error> {
        unused()
    }
    async fn claim(&self, _: Call<'_>, _: Duration) -> Result<bool, Error> {
        unused()
    }
    async fn lock(&self, _: Call<'_>, _: &RecordKey) -> Result<((), Seen), Error> {
        unused()
    }
    async fn apply_locked(&self, _: Call<'_>, _: &mut (), _: &RecordKey, _: &Presented, _: &Change) -> Result<Outcome<Written>, Error> {
        unused()
    }
    async fn commit(&self, _: Call<'_>, (): ()) -> Result<(), Error> {
        unused()
    }
}

#[tokio::test]
async fn what_got_lost_is_delivered_once_more() {
    for lost in [ErrorKind::Interrupted, ErrorKind::Contended] {
        let engine = Scripted::new([Answer::Error(lost), Answer::Done]);
        assert!(engine.apply().await.unwrap().is_done());
        let engine = Scripted::new([Answer::Error(lost), Answer::Error(lost)]);
        assert_eq!((engine.apply().await, engine.deliveries()), (Err(lost), 2), "and no more than once");
        let engine = Scripted::new([Answer::Slow(lost)]);
        assert_eq!(engine.apply().await, Err(lost), "not when its time is over");
    }
    for told in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Internal, ErrorKind::Codec] {
        let engine = Scripted::new([Answer::Error(told)]);
        assert_eq!(engine.apply().await, Err(told), "not delivered again");
    }
}

#[tokio::test]
async fn an_outcome_that_is_unknown_stays_unknown() {
    for second in [Answer::Error(ErrorKind::Unavailable), Answer::Late] {
        let engine = Scripted::new([Answer::Error(ErrorKind::Interrupted), second]);
        assert_eq!(engine.apply().await, Err(ErrorKind::Interrupted), "the first delivery may be in");
    }
    let engine = Scripted::new([Answer::Error(ErrorKind::Contended), Answer::Error(ErrorKind::Unavailable)]);
    assert_eq!(engine.apply().await, Err(ErrorKind::Unavailable), "the first had no effect");
}

#[tokio::test]
async fn a_wrong_estimate_of_the_engines_clock_costs_one_delivery() {
    let engine = Scripted { truth: 60_000, ..Scripted::new([Answer::Late, Answer::Done]) };
    assert!(engine.apply().await.unwrap().is_done());
    let delivered = engine.delivered.lock().unwrap().clone();
    assert_eq!(delivered[1], delivered[0] + Duration::from_secs(60), "the same moment by the other clock");

    let engine = Scripted::new([Answer::Late]);
    assert_eq!(engine.apply().await, Err(ErrorKind::Late), "not again when the estimate was right");
    let engine = Scripted { truth: -60_000, ..Scripted::new([Answer::Late]) };
    assert_eq!(engine.apply().await, Err(ErrorKind::Late), "nor when the engine is even later than was thought");
    let engine = Scripted { truth: 60_000, ..Scripted::new([Answer::Late, Answer::Late]) };
    assert_eq!((engine.apply().await, engine.deliveries()), (Err(ErrorKind::Late), 2));
}
