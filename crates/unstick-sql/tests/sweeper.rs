//! The background sweeper: bounded, one at a time, survives errors, ends with the store. Time is moved, not slept.
#![cfg(feature = "sqlite")]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use common::{Place, SECOND, Session, op};
use tokio::sync::{mpsc, oneshot};
use unstick_core::*;
use unstick_sql::sqlite::SqliteStore;

/// Timers that fire when the test says so, and tasks whose end is seen.
#[derive(Debug, Clone)]
struct Hand {
    ahead: Arc<AtomicI64>,
    timers: mpsc::UnboundedSender<(Duration, oneshot::Sender<()>)>,
    ended: mpsc::UnboundedSender<()>,
}

struct Timers {
    ahead: Arc<AtomicI64>,
    timers: mpsc::UnboundedReceiver<(Duration, oneshot::Sender<()>)>,
    ended: mpsc::UnboundedReceiver<()>,
}

fn hand() -> (Runtime, Timers) {
    let ahead = Arc::new(AtomicI64::new(0));
    let (send, timers) = mpsc::unbounded_channel();
    let (end, ended) = mpsc::unbounded_channel();
    (Runtime::custom(Hand { ahead: ahead.clone(), timers: send, ended: end }), Timers { ahead, timers, ended })
}

impl RuntimeOps for Hand {
    fn wall(&self) -> Timestamp {
        Timestamp::system_now() + Duration::from_millis(u64::try_from(self.ahead.load(Ordering::Relaxed)).unwrap())
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (fire, fired) = oneshot::channel();
        let _ = self.timers.send((duration, fire));
        Box::pin(async move {
            let _ = fired.await;
        })
    }
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let ended = self.ended.clone();
        tokio::spawn(async move {
            task.await;
            let _ = ended.send(());
        });
    }
}

impl Timers {
    /// One whole round: the next timer is asked for when the round is over.
    async fn round(&mut self, armed: oneshot::Sender<()>) -> oneshot::Sender<()> {
        armed.send(()).unwrap();
        self.armed().await
    }

    async fn armed(&mut self) -> oneshot::Sender<()> {
        let (pause, fire) = self.timers.recv().await.unwrap();
        assert!(pause >= 45 * SECOND && pause < 75 * SECOND, "{pause:?}");
        fire
    }
}

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<(EventKind, String)>>);

impl Observer for Seen {
    fn on_event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push((event.kind, event.detail.to_owned()));
    }
}

async fn swept(place: &Place, runtime: Runtime, events: Events) -> SqliteStore {
    SqliteStore::builder(&place.address()).runtime(runtime).events(events).connect().await.unwrap()
}

async fn many_expired(place: &Place, store: &SqliteStore) {
    Session::create(store).await;
    place
        .run(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234)
             INSERT INTO unstick_sessions (key, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied)
             SELECT randomblob(32), 1, randomblob(16), 0, 0, 0, 1000, 2000, '{}', '{}' FROM n;
             INSERT OR IGNORE INTO unstick_reservations VALUES ('ann', x'01', 5), ('ann', x'02', 9999999999999);",
        )
        .await;
}

const COUNT: &str = "SELECT count(*) FROM unstick_sessions";

#[tokio::test]
async fn expired_rows_go_live_ones_stay() {
    let place = Place::new();
    let (runtime, mut timers) = hand();
    let store = swept(&place, runtime, Events::default()).await;
    many_expired(&place, &store).await;
    let armed = timers.armed().await;
    assert_eq!(place.number(COUNT).await, 1235);
    let armed = timers.round(armed).await;
    assert_eq!(place.number(COUNT).await, 1);
    assert_eq!(place.number("SELECT count(*) FROM unstick_reservations").await, 1);
    timers.ahead.store(10_000_000, Ordering::Relaxed);
    timers.round(armed).await;
    assert_eq!(place.number(COUNT).await, 0, "when it has expired by the runtime's clock");
}

#[tokio::test]
async fn a_sweep_takes_no_more_than_it_may_and_spares_other_formats() {
    let place = Place::new();
    let store = place.store().await;
    many_expired(&place, &store).await;
    place.run("UPDATE unstick_sessions SET format = 7 WHERE idle_deadline = 1000 AND rowid % 10 = 0").await;
    let strange = place.number("SELECT count(*) FROM unstick_sessions WHERE format = 7").await;
    assert_eq!(store.sweep(op(), 500).await.unwrap(), 500);
    assert_eq!(store.sweep(op(), 5000).await.unwrap(), usize::try_from(734 - strange).unwrap());
    assert_eq!(place.number(COUNT).await, 1 + strange);
}

#[tokio::test]
async fn a_failed_sweep_is_told_and_tried_again() {
    let place = Place::new();
    let (runtime, mut timers) = hand();
    let seen = Arc::new(Seen::default());
    let store = swept(&place, runtime, Events::new("node-1").observer(seen.clone())).await;
    many_expired(&place, &store).await;
    place.run("ALTER TABLE unstick_reservations RENAME TO hidden").await;
    let armed = timers.armed().await;
    let armed = timers.round(armed).await;
    assert_eq!(*seen.0.lock().unwrap(), [(EventKind::SweepFailed, "internal".to_owned())]);
    place.run("ALTER TABLE hidden RENAME TO unstick_reservations").await;
    timers.round(armed).await;
    assert_eq!(place.number(COUNT).await, 1);
    assert_eq!(seen.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn one_of_two_sweeps_until_its_lease_ends() {
    let place = Place::new();
    let ((one, mut first), (two, mut second)) = (hand(), hand());
    let _one = swept(&place, one, Events::default()).await;
    let store = swept(&place, two, Events::default()).await;
    let (armed, waiting) = (first.armed().await, second.armed().await);
    let armed = first.round(armed).await;
    many_expired(&place, &store).await;
    let waiting = second.round(waiting).await;
    assert_eq!(place.number(COUNT).await, 1235, "the other one has the right to sweep");
    let lease = place.number("SELECT until FROM unstick_sweeper").await - Timestamp::system_now().as_millis();
    assert!(lease > 60_000 && lease <= 120_000, "{lease}");
    place.run("UPDATE unstick_sweeper SET until = 0").await;
    second.round(waiting).await;
    assert_eq!(place.number(COUNT).await, 1, "a right that ended is taken over");
    many_expired(&place, &store).await;
    first.round(armed).await;
    assert_eq!(place.number(COUNT).await, 1236);
}

#[tokio::test]
async fn it_ends_with_the_last_store() {
    let place = Place::new();
    let (runtime, mut timers) = hand();
    let store = swept(&place, runtime, Events::default()).await;
    let _armed = timers.armed().await;
    let clone = store.clone();
    drop(store);
    assert!(timers.ended.try_recv().is_err());
    drop(clone);
    timers.ended.recv().await.unwrap();
}
