//! A write that waited for a row's lock past its deadline changes nothing, whether or not the lock's holder did; one in time
//! goes in, on what the holder left.

use std::{num::NonZeroU32, time::Duration};

use unstick_core::*;
use unstick_sql::{
    mysql::MySqlStore,
    sqlx::{self, mysql::MySqlPoolOptions},
};
use unstick_testkit::clock::ManualClock;

use crate::common::{
    SECOND, Session,
    mysql::{Place, url},
    op,
};

const BUDGET: Duration = Duration::from_millis(700);

/// A store whose caller has all the time in the world: its clock stands still.
async fn patient(place: &Place) -> MySqlStore {
    place.builder().runtime(ManualClock::default().runtime()).connect().await.unwrap()
}

fn brief() -> OpCtx {
    let op = op();
    OpCtx { deadline: op.now + BUDGET, ..op }
}

fn late<T: std::fmt::Debug>(answer: Result<T, Error>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Late, "{error}");
    assert!(!error.is_outcome_unknown());
}

static LOOKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Starts `operation` while another session has run `hold` in a transaction; when the operation waits for it and `wait` has
/// passed since, ends the transaction with `release`.
async fn blocked<T>(place: &Place, wait: Duration, (hold, release): (&str, &str), operation: impl Future<Output = T>) -> T {
    let mut holder = place.connection().await;
    sqlx::raw_sql(place.sql(&format!("START TRANSACTION; {hold}"))).execute(&mut holder).await.unwrap();
    let release = async {
        let maria = place.number("SELECT VERSION() LIKE '%MariaDB%'").await == 1;
        let waiting = if maria {
            "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%unstick_%'"
        } else {
            "SELECT COUNT(*) FROM performance_schema.data_locks WHERE lock_status = 'WAITING' AND object_name LIKE 'unstick_%'"
        };
        let end = Timestamp::system_now() + 20 * SECOND;
        loop {
            // this table is made anew only when nobody, no test beside this one either, read it for a tenth of a second
            let alone = LOOKING.lock().await;
            tokio::time::sleep(Duration::from_millis(120)).await;
            let waits = place.number(waiting).await > 0;
            drop(alone);
            if waits {
                break;
            }
            assert!(Timestamp::system_now() < end, "the operation does not wait for {hold}");
        }
        let waits = Timestamp::system_now();
        while Timestamp::system_now() < waits + wait {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sqlx::raw_sql(place.sql(release)).execute(&mut holder).await.unwrap();
    };
    tokio::join!(operation, release).0
}

const ROWS: &str = "SELECT 1 FROM unstick_sessions FOR UPDATE";
const TOUCH: &str = "UPDATE unstick_sessions SET rotated = rotated + 1; UPDATE unstick_sessions SET rotated = rotated - 1";

async fn nothing_is_done_late(place: &Place, store: &MySqlStore) {
    let session = Session::create_for(store, Some("ann")).await;
    let change = Change::new().set("n", "late");
    let (_, rotation) = session.rotation(None, Some("bob"));
    let index = store.principal_index().unwrap();
    let until = Timestamp::system_now() + 900 * SECOND;
    let before = place.content().await;
    for hold in [(ROWS, "ROLLBACK"), (TOUCH, "COMMIT")] {
        late(blocked(place, BUDGET, hold, store.apply(brief(), session.key, session.presented, &change)).await);
        late(blocked(place, BUDGET, hold, store.rotate(brief(), session.key, session.presented, &rotation, &change)).await);
        late(blocked(place, BUDGET, hold, store.end(brief(), session.key, Some(session.presented), until)).await);
        late(blocked(place, BUDGET, hold, store.update_locked(brief(), session.key, session.presented, &mut |_| Ok(change.clone()))).await);
        let renewal = Renewal { idle_deadline: until, issued: Timestamp::system_now() };
        let loaded = blocked(place, BUDGET, hold, store.load(brief(), session.key, session.presented, Some(renewal))).await.unwrap();
        let Loaded::Live(live) = loaded else { panic!("{loaded:?}") };
        assert_eq!(live.idle_deadline, session.credential.idle_deadline(), "read, but not renewed");
    }
    // the principal's lock is the first thing that these wait for
    index.list(op(), "ann").await.unwrap();
    let lock = "INSERT INTO unstick_reservations VALUES ('ann', X'00', 9) ON DUPLICATE KEY UPDATE until = until + 1";
    for release in ["COMMIT", "ROLLBACK"] {
        late(blocked(place, BUDGET, (lock, release), index.end_others(brief(), "ann", None, SECOND)).await);
        late(blocked(place, BUDGET, (lock, release), index.reserve(brief(), "ann", Session::new().key, NonZeroU32::MAX, until)).await);
    }
    assert_eq!(place.content().await, before);
}

#[tokio::test]
async fn writes_that_waited_past_their_deadline_change_nothing() {
    let place = Place::new(url!());
    nothing_is_done_late(&place, &patient(&place).await).await;
}

#[tokio::test]
async fn nor_on_a_pool_of_the_users_own() {
    let place = Place::new(url!());
    let pool = MySqlPoolOptions::new().max_connections(3).connect(&place.url).await.unwrap();
    let builder = MySqlStore::builder("").prefix(&place.prefix).runtime(ManualClock::default().runtime());
    nothing_is_done_late(&place, &builder.sweep_interval(Duration::ZERO).connect_pool(pool).await.unwrap()).await;
}

#[tokio::test]
async fn rows_that_another_began_to_create_are_not_created_late() {
    let place = Place::new(url!());
    let store = patient(&place).await;
    let stranger = Session::new();
    let key = stranger.key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hold = format!(
        "INSERT INTO unstick_sessions (`key`, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied) \
         VALUES (X'{key}', 1, '', 0, 0, 0, 0, 0, '{{}}', '{{}}')"
    );
    let until = Timestamp::system_now() + 900 * SECOND;
    let hold = (&*hold, "ROLLBACK");
    late(blocked(&place, BUDGET, hold, store.create(brief(), stranger.key, &stranger.record(None, Fields::default()))).await);
    late(blocked(&place, BUDGET, hold, store.end(brief(), stranger.key, None, until)).await);
    assert_eq!(place.content().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_write_that_waited_but_is_in_time_goes_in_on_what_is_there_then() {
    let place = Place::new(url!());
    let store = patient(&place).await;
    let session = Session::create(&store).await;
    let (key, by) = (session.key, session.presented);
    let change = Change::new().set("n", "1");
    for hold in [(ROWS, "ROLLBACK"), (TOUCH, "COMMIT")] {
        assert!(blocked(&place, Duration::ZERO, hold, store.apply(op(), key, by, &change)).await.unwrap().is_done());
    }
    let version = session.fields(&store).await.version("n");
    let newer = ("UPDATE unstick_sessions SET fields = '{\"n\":[7,\"j2\"]}'", "COMMIT");
    let answer = blocked(&place, Duration::ZERO, newer, store.apply(op(), key, by, &change.clone().expect("n", version))).await.unwrap();
    assert!(matches!(&answer, Applied::Conflict(fields) if fields.version("n").as_u64() == 7), "{answer:?}");
    let other = ("UPDATE unstick_sessions SET fields = '{\"n\":[7,\"j2\"],\"m\":[8,\"j2\"]}'", "COMMIT");
    assert!(blocked(&place, Duration::ZERO, other, store.apply(op(), key, by, &change)).await.unwrap().is_done());
    let fields = session.fields(&store).await;
    assert_eq!((fields.get("n").unwrap().value.as_ref(), fields.get("m").unwrap().value.as_ref()), (&b"1"[..], &b"2"[..]));
    let ended = ("UPDATE unstick_sessions SET ended_at = 5, ended_until = 6", "COMMIT");
    let answer = blocked(&place, Duration::ZERO, ended, store.apply(op(), key, by, &change)).await.unwrap();
    assert_eq!(answer, Applied::Ended { at: Timestamp::from_millis(5) });
}

#[tokio::test]
async fn a_lock_held_too_long_is_told_and_the_row_is_free_afterwards() {
    let place = Place::new(url!());
    let store = place.store().await;
    let session = Session::create(&store).await;
    let mut holder = place.connection().await;
    sqlx::raw_sql(place.sql(&format!("START TRANSACTION; {ROWS}"))).execute(&mut holder).await.unwrap();
    let change = Change::new().set("n", "1");
    let error = store.apply(brief(), session.key, session.presented, &change).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::Timeout, true), "{error}");
    assert!(session.fields(&store).await.is_empty(), "reading goes on meanwhile");
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert!(session.apply(&store, &Change::new().set("m", "1")).await.is_done(), "and heals by itself");
    assert!(session.fields(&store).await.get("n").is_none(), "the server found it late");
}

/// The transaction of a node that stops between the update and the commit.
#[tokio::test]
async fn a_locked_update_whose_node_stops_is_rolled_back_at_its_deadline() {
    let place = Place::new(url!());
    let store = place.store().await;
    let session = Session::create(&store).await;
    let mut stopped = |_: &Fields| {
        std::thread::sleep(BUDGET * 2); // as a node does that is stopped
        Ok(Change::new().set("n", "late"))
    };
    let error = store.update_locked(brief(), session.key, session.presented, &mut stopped).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Late | ErrorKind::Timeout), "{error}");
    assert!(session.apply(&store, &Change::new().set("m", "1")).await.is_done(), "the row is free again");
    assert!(session.fields(&store).await.get("n").is_none());
}

#[tokio::test]
async fn a_server_whose_clock_is_far_off_judges_by_its_own() {
    // the clock of the store's node, which stands for the other one
    let place = Place::new(url!());
    for off in [Duration::from_secs(60), Duration::ZERO] {
        let clock = ManualClock::at(Timestamp::system_now() - off);
        let store = place.builder().runtime(clock.runtime()).connect().await.unwrap();
        let now = clock.now();
        let session = Session::from(Credential::issue(now, now + 60 * SECOND, now + 600 * SECOND).unwrap());
        let in_time = crate::common::at(now);
        assert_eq!(store.create(in_time, session.key, &session.record(None, Fields::default())).await.unwrap(), Created::Done);
        late(store.apply(crate::common::at(now - 11 * SECOND), session.key, session.presented, &Change::new().set("n", "1")).await);
    }
    assert_eq!(place.number("SELECT COUNT(*) FROM unstick_sessions WHERE fields <> '{}'").await, 0);
}
