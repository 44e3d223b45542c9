//! A write that waited for the lock past its deadline changes nothing, whatever it is; one in time goes in; a lock that
//! is held for too long is told as such.
#![cfg(feature = "sqlite")]

mod common;

use std::{num::NonZeroU32, time::Duration};

use common::{Place, SECOND, Session, at, op};
use unstick_core::*;
use unstick_sql::{sqlite::SqliteStore, sqlx};

const BUDGET: Duration = Duration::from_millis(80);

fn brief() -> OpCtx {
    let op = op();
    OpCtx { deadline: op.now + BUDGET, ..op }
}

async fn patient(place: &Place) -> SqliteStore {
    SqliteStore::builder(&place.address()).busy_timeout(20 * SECOND).sweep_interval(Duration::ZERO).connect().await.unwrap()
}

/// Starts `operation` while another connection holds the write lock, and gives the lock back when the deadline has passed.
async fn blocked<T>(place: &Place, operation: impl Future<Output = T>) -> T {
    let mut holder = place.connection().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
    let start = Timestamp::system_now();
    let release = async {
        while Timestamp::system_now() < start + BUDGET * 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    };
    tokio::join!(operation, release).0
}

fn late<T: std::fmt::Debug>(answer: Result<T, Error>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Late);
    assert!(!error.is_outcome_unknown());
}

async fn content(place: &Place) -> Vec<String> {
    use sqlx::Row;
    let sql = "SELECT concat_ws('|', hex(key), hex(secret), hex(previous), principal, idle_deadline, reissued, fields, applied, ended_at) \
               FROM unstick_sessions UNION ALL SELECT concat_ws('|', principal, hex(key), until) FROM unstick_reservations ORDER BY 1";
    place.rows(sql).await.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn writes_that_waited_past_their_deadline_change_nothing() {
    let place = Place::new();
    let store = patient(&place).await;
    let session = Session::create_for(&store, Some("ann")).await;
    let stranger = Session::new();
    let change = Change::new().set("n", "late");
    let (_, rotation) = session.rotation(None, Some("bob"));
    let index = store.principal_index().unwrap();
    let until = Timestamp::system_now() + 900 * SECOND;
    let before = content(&place).await;

    late(blocked(&place, store.create(brief(), stranger.key, &stranger.record(None, Fields::default()))).await);
    late(blocked(&place, store.apply(brief(), session.key, session.presented, &change)).await);
    late(blocked(&place, store.rotate(brief(), session.key, session.presented, &rotation, &change)).await);
    late(blocked(&place, store.end(brief(), session.key, Some(session.presented), until)).await);
    late(blocked(&place, store.end(brief(), stranger.key, None, until)).await);
    late(blocked(&place, store.update_locked(brief(), session.key, session.presented, &mut |_: &Fields| Ok(change.clone()))).await);
    late(blocked(&place, index.reserve(brief(), "ann", stranger.key, NonZeroU32::MAX, until)).await);
    late(blocked(&place, index.end_others(brief(), "ann", None, SECOND)).await);
    let renewal = Renewal { idle_deadline: until, issued: Timestamp::system_now() };
    let loaded = blocked(&place, store.load(brief(), session.key, session.presented, Some(renewal))).await.unwrap();
    let Loaded::Live(live) = loaded else { panic!("{loaded:?}") };
    assert_eq!(live.idle_deadline, session.credential.idle_deadline(), "read, but not renewed");
    let far = OpCtx { now: until + 9000 * SECOND, deadline: until + 9000 * SECOND + BUDGET, ..op() };
    assert_eq!(blocked(&place, store.sweep(far, 9)).await.unwrap(), 0);

    assert_eq!(content(&place).await, before);
}

#[tokio::test]
async fn a_write_that_waited_but_is_in_time_goes_in() {
    let place = Place::new();
    let store = patient(&place).await;
    let session = Session::create(&store).await;
    let change = Change::new().set("n", "1");
    assert!(blocked(&place, store.apply(op(), session.key, session.presented, &change)).await.unwrap().is_done());
    assert_eq!(session.number(&store, "n").await, 1);
}

#[tokio::test]
async fn a_lock_held_too_long_is_unavailable_and_nothing_changed() {
    let place = Place::new();
    let store = SqliteStore::builder(&place.address()).busy_timeout(Duration::from_millis(50)).connect().await.unwrap();
    let session = Session::create(&store).await;
    let mut holder = place.connection().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
    let error = store.apply(op(), session.key, session.presented, &Change::new().set("n", "1")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::Unavailable, false), "{error}");
    assert!(session.fields(&store).await.is_empty(), "reading goes on meanwhile");
    let error = store.update_locked(op(), session.key, session.presented, &mut |_: &Fields| panic!("no lock")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert!(session.fields(&store).await.is_empty());
    assert!(session.apply(&store, &Change::new().set("n", "1")).await.is_done(), "and heals by itself");
}

/// A clock in the past that stands still.
#[derive(Debug)]
struct Past;
const PAST: Timestamp = Timestamp::from_millis(1_000_000_000_000);
impl RuntimeOps for Past {
    fn wall(&self) -> Timestamp {
        PAST
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
    fn spawn(&self, _: BoxFuture<'static, ()>) {}
}

#[tokio::test]
async fn a_moved_clock_is_followed_when_the_store_knows_it() {
    let place = Place::new();
    let store = SqliteStore::builder(&place.address()).runtime(Runtime::custom(Past)).connect().await.unwrap();
    let session = Session::from(Credential::issue(PAST, PAST + 60 * SECOND, PAST + 600 * SECOND).unwrap());
    let created = store.create(at(PAST), session.key, &session.record(None, Fields::default())).await.unwrap();
    assert_eq!(created, Created::Done);
    let change = Change::new().set("n", "1");
    assert!(store.apply(at(PAST), session.key, session.presented, &change).await.unwrap().is_done());
    late(store.apply(at(PAST - 11 * SECOND), session.key, session.presented, &change).await);
    let system = place.store().await;
    late(system.apply(at(PAST), session.key, session.presented, &change).await);
}
