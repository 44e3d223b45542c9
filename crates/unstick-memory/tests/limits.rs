//! The store's own limit, and what it collects by itself.

use std::time::Duration;

use unstick_core::{Created, Ended, ErrorKind, Fields, Loaded, Renewal, Store};
use unstick_memory::MemoryStore;
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::{Bench, IDLE, SECOND, StoreFactory, Subject},
};

struct Limited(usize);

impl StoreFactory for Limited {
    type Store = MemoryStore;

    async fn open(&self) -> MemoryStore {
        MemoryStore::builder().max_sessions(self.0).build()
    }
}

async fn create(at: &Bench<MemoryStore>, now: unstick_core::Timestamp, subject: &Subject) -> Result<Created, ErrorKind> {
    let mut new = subject.new_record(None, Fields::default());
    new.idle_deadline = now + IDLE;
    at.store().create(at.op(now), subject.key, &new).await.map_err(|error| error.kind())
}

#[tokio::test]
async fn at_the_limit_creations_fail_and_nothing_is_dropped() {
    let at = Bench::open(&Limited(3)).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(at.session().await.unwrap());
    }
    for _ in 0..100 {
        assert_eq!(create(&at, at.start(), &at.stranger().unwrap()).await, Err(ErrorKind::Full));
    }
    for subject in &sessions {
        assert!(matches!(at.load(at.start(), subject).await, Ok(Loaded::Live(_))));
    }
    assert_eq!(create(&at, at.start(), &sessions[0]).await, Ok(Created::Exists), "what is there is answered for, full or not");
    assert_eq!(at.store().sessions(), 3);
}

#[tokio::test]
async fn an_end_frees_a_place_and_never_fails() {
    let at = Bench::open(&Limited(1)).await;
    let first = at.session().await.unwrap();
    for _ in 0..100 {
        let unknown = at.stranger().unwrap();
        assert_eq!(at.end(at.start(), &unknown).await.unwrap(), Ended::Done { was_live: false });
        assert!(matches!(at.load(at.start(), &unknown).await, Ok(Loaded::Ended { .. })));
    }
    assert_eq!(create(&at, at.start(), &at.stranger().unwrap()).await, Err(ErrorKind::Full));
    at.end(at.start(), &first).await.unwrap();
    assert_eq!(create(&at, at.start(), &at.stranger().unwrap()).await, Ok(Created::Done));
    assert!(matches!(at.load(at.start(), &first).await, Ok(Loaded::Ended { .. })), "its tombstone stands");
    assert_eq!(at.store().sessions(), 1);
}

#[tokio::test]
async fn at_the_limit_expired_sessions_make_room_at_once() {
    let at = Bench::open(&Limited(2)).await;
    let (expired, renewed) = (at.session().await.unwrap(), at.session().await.unwrap());
    let renewal = Renewal { idle_deadline: at.start() + IDLE * 3, issued: at.start() };
    at.store().load(at.op(at.start()), renewed.key, renewed.presented, Some(renewal)).await.unwrap();
    let now = at.start() + IDLE;
    assert_eq!(create(&at, now, &at.stranger().unwrap()).await, Ok(Created::Done));
    assert!(matches!(at.load(now, &renewed).await, Ok(Loaded::Live(_))));
    assert_eq!(at.load(now, &expired).await.unwrap(), Loaded::Missing);
    assert_eq!(create(&at, now, &at.stranger().unwrap()).await, Err(ErrorKind::Full));
}

#[tokio::test]
async fn writes_collect_what_is_dead() {
    let at = Bench::open(&Limited(1_000)).await;
    for _ in 0..100 {
        at.session().await.unwrap();
    }
    let later = at.start() + IDLE * 2;
    for _ in 0..60 {
        create(&at, later, &at.stranger().unwrap()).await.unwrap();
    }
    assert_eq!(at.store().sessions(), 60, "without a sweep");
}

/// The map underneath must not judge by its own clock: a wall clock that stands still, or is set back, keeps sessions alive.
#[tokio::test]
async fn a_wall_clock_set_back_hides_no_session() {
    struct ByClock(ManualClock);
    impl StoreFactory for ByClock {
        type Store = MemoryStore;
        async fn open(&self) -> MemoryStore {
            MemoryStore::builder().runtime(self.0.runtime()).build()
        }
        fn clock(&self) -> TestClock {
            TestClock::Manual(self.0.clone())
        }
    }
    let clock = ManualClock::default();
    let at = Bench::open(&ByClock(clock.clone())).await;
    let subject = at.session().await.unwrap();
    clock.advance(IDLE - SECOND);
    at.store().sweep(at.op(clock.now()), 100).await.unwrap();
    clock.set_wall(at.start() - Duration::from_secs(86_400));
    at.store().sweep(at.op(clock.now()), 100).await.unwrap();
    assert!(matches!(at.load(clock.now(), &subject).await, Ok(Loaded::Live(_))));
}

#[tokio::test]
async fn reservations_of_many_principals_are_given_back() {
    let at = Bench::open(&Limited(10)).await;
    let index = at.store().principal_index().unwrap();
    let one = std::num::NonZeroU32::MIN;
    for n in 0..50 {
        let subject = at.stranger().unwrap();
        index.reserve(at.op(at.start()), &format!("principal {n}"), subject.key, one, at.start() + SECOND).await.unwrap();
    }
    let later = at.start() + IDLE;
    for n in 0..50 {
        let (subject, name) = (at.stranger().unwrap(), format!("principal {n}"));
        let answer = index.reserve(at.op(later), &name, subject.key, one, later + SECOND).await.unwrap();
        assert_eq!(answer, unstick_core::Reservation::Granted);
    }
}
