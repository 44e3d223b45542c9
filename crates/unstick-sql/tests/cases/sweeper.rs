//! The background sweeper: bounded, one at a time, survives errors, ends with the store. Time is moved, not slept.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use unstick_core::*;

use crate::common::{SECOND, Session, op};

/// Tables that a sweeper works on.
pub(crate) trait Place {
    type Store: Store + Clone;

    /// A statement that puts in 1234 expired sessions, and two reservations of which one is over, unless they are there.
    const MANY: &'static str;

    /// A store that sweeps once a minute.
    async fn swept(&self, runtime: Runtime, events: Events) -> Self::Store;

    async fn run(&self, sql: &str);

    async fn number(&self, sql: &str) -> i64;
}

/// Timers that fire when the test says so, and tasks whose end is seen.
#[derive(Debug, Clone)]
struct Hand {
    ahead: Arc<AtomicI64>,
    timers: mpsc::UnboundedSender<(Duration, oneshot::Sender<()>)>,
    ended: mpsc::UnboundedSender<()>,
}

struct Timers {
    ahead: Arc<AtomicI64>,
    /// Of statements, which have a timer each; they don't fire.
    others: Vec<oneshot::Sender<()>>,
    timers: mpsc::UnboundedReceiver<(Duration, oneshot::Sender<()>)>,
    ended: mpsc::UnboundedReceiver<()>,
}

fn hand() -> (Runtime, Timers) {
    let ahead = Arc::new(AtomicI64::new(0));
    let (send, timers) = mpsc::unbounded_channel();
    let (end, ended) = mpsc::unbounded_channel();
    (Runtime::custom(Hand { ahead: ahead.clone(), timers: send, ended: end }), Timers { ahead, others: Vec::new(), timers, ended })
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
        loop {
            let (pause, fire) = self.timers.recv().await.unwrap();
            if pause > 10 * SECOND {
                assert!(pause >= 45 * SECOND && pause < 75 * SECOND, "{pause:?}");
                return fire;
            }
            self.others.push(fire);
        }
    }
}

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<(EventKind, String)>>);

impl Observer for Seen {
    fn on_event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push((event.kind, event.detail.to_owned()));
    }
}

async fn many_expired<P: Place>(place: &P, store: &P::Store) {
    Session::create(store).await;
    place.run(P::MANY).await;
}

const COUNT: &str = "SELECT count(*) FROM unstick_sessions";

pub(crate) async fn expired_rows_go_live_ones_stay(place: &impl Place) {
    let (runtime, mut timers) = hand();
    let store = place.swept(runtime, Events::default()).await;
    many_expired(place, &store).await;
    let armed = timers.armed().await;
    assert_eq!(place.number(COUNT).await, 1235);
    let armed = timers.round(armed).await;
    assert_eq!(place.number(COUNT).await, 1);
    assert_eq!(place.number("SELECT count(*) FROM unstick_reservations").await, 1);
    timers.ahead.store(10_000_000, Ordering::Relaxed);
    timers.round(armed).await;
    assert_eq!(place.number(COUNT).await, 0, "when it has expired by the runtime's clock");
}

pub(crate) async fn a_sweep_takes_no_more_than_it_may_and_spares_other_formats(place: &impl Place) {
    let (runtime, _timers) = hand();
    let store = place.swept(runtime, Events::default()).await;
    many_expired(place, &store).await;
    place.run("UPDATE unstick_sessions SET format = 7 WHERE idle_deadline = 1000 AND created = 1").await;
    let strange = place.number("SELECT count(*) FROM unstick_sessions WHERE format = 7").await;
    assert_eq!(store.sweep(op(), 500).await.unwrap(), 500);
    assert_eq!(store.sweep(op(), 5000).await.unwrap(), usize::try_from(734 - strange).unwrap());
    assert_eq!(place.number(COUNT).await, 1 + strange);
}

pub(crate) async fn a_failed_sweep_is_told_and_tried_again(place: &impl Place) {
    let (runtime, mut timers) = hand();
    let seen = Arc::new(Seen::default());
    let store = place.swept(runtime, Events::new("node-1").observer(seen.clone())).await;
    many_expired(place, &store).await;
    place.run("ALTER TABLE unstick_reservations RENAME TO unstick_hidden").await;
    let armed = timers.armed().await;
    let armed = timers.round(armed).await;
    assert!(matches!(&seen.0.lock().unwrap()[..], [(EventKind::SweepFailed, _)]));
    place.run("ALTER TABLE unstick_hidden RENAME TO unstick_reservations").await;
    timers.round(armed).await;
    assert_eq!(place.number(COUNT).await, 1);
    assert_eq!(seen.0.lock().unwrap().len(), 1);
}

pub(crate) async fn one_of_two_sweeps_until_its_lease_ends(place: &impl Place) {
    let ((one, mut first), (two, mut second)) = (hand(), hand());
    let _one = place.swept(one, Events::default()).await;
    let store = place.swept(two, Events::default()).await;
    let (armed, waiting) = (first.armed().await, second.armed().await);
    let armed = first.round(armed).await;
    many_expired(place, &store).await;
    let waiting = second.round(waiting).await;
    assert_eq!(place.number(COUNT).await, 1235, "the other one has the right to sweep");
    let lease = place.number("SELECT until FROM unstick_sweeper").await - Timestamp::system_now().as_millis();
    assert!(lease > 60_000 && lease <= 120_000, "{lease}");
    place.run("UPDATE unstick_sweeper SET until = 0").await;
    let _waiting = second.round(waiting).await;
    assert_eq!(place.number(COUNT).await, 1, "a right that ended is taken over");
    many_expired(place, &store).await;
    first.round(armed).await;
    assert_eq!(place.number(COUNT).await, 1236);
}

pub(crate) async fn it_ends_with_the_last_store(place: &impl Place) {
    let (runtime, mut timers) = hand();
    let store = place.swept(runtime, Events::default()).await;
    let _armed = timers.armed().await;
    let clone = store.clone();
    drop(store);
    assert!(timers.ended.try_recv().is_err());
    drop(clone);
    timers.ended.recv().await.unwrap();
}
