//! The faults do what they say, over a real store.

use std::time::Duration;

use tokio::task::yield_now;
use unstick_core::{Applied, Change, ErrorKind, Loaded, OpCtx, Store};
use unstick_memory::MemoryStore;
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::{Bench, SECOND, StoreFactory, Subject},
    faults::{Fault, FaultStore, Op},
};

struct Faulty(ManualClock);

impl StoreFactory for Faulty {
    type Store = FaultStore<MemoryStore>;

    async fn open(&self) -> FaultStore<MemoryStore> {
        FaultStore::new(MemoryStore::builder().runtime(self.0.runtime()).build()).with_runtime(self.0.runtime())
    }

    async fn open_again(&self, store: &FaultStore<MemoryStore>) -> Option<FaultStore<MemoryStore>> {
        Some(store.clone())
    }

    fn clock(&self) -> TestClock {
        TestClock::Manual(self.0.clone())
    }
}

/// Without faults the wrapper is not in the way.
mod without_faults {
    use super::*;
    unstick_testkit::contract_suite!(Faulty(ManualClock::default()));
}

async fn bench() -> (Bench<FaultStore<MemoryStore>>, ManualClock, Subject) {
    let clock = ManualClock::default();
    let at = Bench::open(&Faulty(clock.clone())).await;
    let subject = at.session().await.unwrap();
    (at, clock, subject)
}

fn two_seconds(at: &Bench<FaultStore<MemoryStore>>, clock: &ManualClock) -> OpCtx {
    OpCtx { deadline: clock.now() + SECOND * 2, ..at.op(clock.now()) }
}

async fn field(at: &Bench<FaultStore<MemoryStore>>, subject: &Subject) -> Option<String> {
    let loaded = at.store().inner().load(at.op(at.start()), subject.key, subject.presented, None).await.unwrap();
    let Loaded::Live(session) = loaded else { panic!("{loaded:?}") };
    session.fields.get("n").map(|field| String::from_utf8(field.value.to_vec()).unwrap())
}

#[tokio::test]
async fn before_and_after() {
    let (at, _, subject) = bench().await;
    let change = Change::new().set("n", "1");
    at.store().next(Op::Apply, Fault::FailBefore(ErrorKind::Unavailable));
    assert_eq!(at.apply(at.start(), &subject, &change).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(field(&at, &subject).await, None);
    at.store().next(Op::Apply, Fault::FailAfter(ErrorKind::Timeout));
    let op = at.op(at.start());
    let error = at.store().apply(op, subject.key, subject.presented, &change).await.unwrap_err();
    assert!(error.is_outcome_unknown());
    assert_eq!(field(&at, &subject).await.as_deref(), Some("1"));
    assert!(at.store().apply(op, subject.key, subject.presented, &change).await.unwrap().is_done(), "the repetition finds it done");
    assert_eq!(at.store().calls(Op::Apply), 3);
}

#[tokio::test]
async fn every_operation_can_fail_until_healed() {
    let (at, _, subject) = bench().await;
    at.store().always_all(Fault::FailBefore(ErrorKind::Interrupted));
    for _ in 0..3 {
        assert!(at.load(at.start(), &subject).await.is_err());
        assert!(at.end(at.start(), &subject).await.is_err());
        assert!(at.store().principal_index().unwrap().list(at.op(at.start()), "ann").await.is_err());
    }
    at.store().heal();
    assert!(matches!(at.load(at.start(), &subject).await, Ok(Loaded::Live(_))));
    assert_eq!((at.store().calls(Op::Load), at.store().calls(Op::End), at.store().calls(Op::List)), (4, 3, 3));
    at.store().forget_calls();
    assert_eq!(at.store().all_calls(), 0);
}

#[tokio::test]
async fn what_hangs_never_arrives_once_given_up() {
    let (at, clock, subject) = bench().await;
    at.store().next(Op::Apply, Fault::Hang);
    let (store, op) = (at.node(0), two_seconds(&at, &clock));
    let hanging = tokio::spawn(async move { store.apply(op, subject.key, subject.presented, &Change::new().set("n", "1")).await });
    at.store().until_held(1).await;
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    at.store().release();
    yield_now().await;
    assert_eq!(field(&at, &subject).await, None);
}

#[tokio::test]
async fn what_arrives_late_is_refused_by_the_store() {
    for (wait, arrives) in [(SECOND, true), (SECOND * 2, false)] {
        let (at, clock, subject) = bench().await;
        at.store().next(Op::Apply, Fault::ArriveLate);
        let (store, op) = (at.node(0), two_seconds(&at, &clock));
        let caller = tokio::spawn(async move { store.apply(op, subject.key, subject.presented, &Change::new().set("n", "1")).await });
        at.store().until_held(1).await;
        clock.advance(wait);
        at.store().release();
        let answer = caller.await.unwrap();
        if arrives {
            assert!(matches!(answer, Ok(Applied::Done { .. })));
        } else {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Late);
        }
        assert_eq!(field(&at, &subject).await.is_some(), arrives);
    }
}

#[tokio::test]
async fn what_is_on_its_way_arrives_although_its_caller_has_given_up() {
    let (at, clock, subject) = bench().await;
    at.store().next(Op::Apply, Fault::ArriveLate);
    let (store, op) = (at.node(0), two_seconds(&at, &clock));
    let caller = tokio::spawn(async move { store.apply(op, subject.key, subject.presented, &Change::new().set("n", "1")).await });
    at.store().until_held(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(field(&at, &subject).await, None, "still on its way");
    at.store().release();
    while field(&at, &subject).await.is_none() {
        yield_now().await;
    }
}

#[tokio::test]
async fn late_answers_and_delays() {
    let (at, clock, subject) = bench().await;
    at.store().next(Op::Apply, Fault::AnswerLate);
    let (store, op) = (at.node(0), two_seconds(&at, &clock));
    let caller = tokio::spawn(async move { store.apply(op, subject.key, subject.presented, &Change::new().set("n", "1")).await });
    while field(&at, &subject).await.is_none() {
        yield_now().await;
    }
    assert!(!caller.is_finished(), "done, but not answered");
    at.store().release();
    assert!(caller.await.unwrap().unwrap().is_done());

    at.store().next(Op::Load, Fault::Delay(Duration::from_secs(10)));
    let (store, op) = (at.node(0), at.op(clock.now()));
    let caller = tokio::spawn(async move { store.load(op, subject.key, subject.presented, None).await });
    while clock.sleepers() == 0 {
        yield_now().await;
    }
    clock.advance(Duration::from_secs(10));
    assert!(matches!(caller.await.unwrap(), Ok(Loaded::Live(_))));
}
