//! Servers and connections that stop, hang and come back: no call waits past its deadline, no outcome is guessed, the pool heals.

use std::{sync::Arc, time::Duration};

use unstick_core::*;
use unstick_sql::{
    postgres::PostgresStore,
    sqlx::{self, Connection, PgConnection, PgPool, Row, postgres::PgPoolOptions},
};
use unstick_testkit::{
    require_server,
    servers::{Mode, PostgresServer, Proxy},
};

use crate::common::{
    SECOND, Session, op,
    postgres::{Place, SERVER},
};

const BUDGET: Duration = Duration::from_millis(500);

fn brief() -> OpCtx {
    let op = op();
    OpCtx { deadline: op.now + BUDGET, ..op }
}

fn change(n: &str) -> Change {
    Change::new().set("n", n.to_owned())
}

/// A pool whose connections can be counted, with two of them that have prepared what the tests send.
async fn warm(place: &Place, url: &str) -> (PgPool, PostgresStore, Session) {
    let options = PgPoolOptions::new().max_connections(2).acquire_timeout(SECOND * 5).test_before_acquire(false);
    let pool = options.connect(url).await.unwrap();
    let store = PostgresStore::builder("").prefix(&place.prefix).sweep_interval(Duration::ZERO).connect_pool(pool.clone()).await.unwrap();
    let session = Session::create(&store).await;
    let (first, second) = tokio::join!(pool.acquire(), pool.acquire());
    let (nothing, idle) = (Change::new(), async || until("one connection is idle", async || pool.num_idle() == 1).await);
    drop(first);
    idle().await;
    session.apply(&store, &nothing).await;
    idle().await;
    let first = pool.acquire().await;
    drop(second);
    idle().await;
    session.apply(&store, &nothing).await;
    drop(first);
    settled(&pool).await;
    (pool, store, session)
}

/// Both connections are back in the pool.
async fn settled(pool: &PgPool) {
    until("both connections are idle", async || pool.num_idle() == 2).await;
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Timestamp::system_now() + 20 * SECOND;
    while !holds().await {
        assert!(Timestamp::system_now() < end, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Asks until the store answers again; what it says before must be an error of the backend.
async fn healed(store: &PostgresStore, session: &Session) -> Fields {
    let end = Timestamp::system_now() + 30 * SECOND;
    loop {
        match store.load(op(), session.key, session.presented, None).await {
            Ok(Loaded::Live(live)) => return live.fields,
            Ok(other) => panic!("a session that is there is answered {other:?}"),
            Err(error) => assert!(error.is_backend() && Timestamp::system_now() < end, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_refuses_what_it_receives_too_late() {
    let server = require_server!(PostgresServer::builder().without_fsync().start());
    let place = Place::new(&server);
    let (pool, store, session) = warm(&place, &place.url).await;
    let second = Session::create(&store).await;
    settled(&pool).await;
    server.stop();
    // one with time left, whose caller goes away; and one whose time runs out
    let in_time = OpCtx { deadline: op().now + 600 * SECOND, ..op() };
    let gone = tokio::spawn({
        let (store, change) = (store.clone(), change("in time"));
        async move { store.apply(in_time, second.key, second.presented, &change).await }
    });
    let started = brief();
    let late = store.apply(started, session.key, session.presented, &change("late")).await.unwrap_err();
    assert!(late.kind() == ErrorKind::Timeout && late.is_outcome_unknown(), "{late}");
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    server.cont();
    until("the server has worked off what it received", async || {
        let mut connection = PgConnection::connect(&server.superuser_url()).await.unwrap();
        let others = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
        sqlx::query(others).fetch_one(&mut connection).await.unwrap().get::<i64, _>(0) == 0
    })
    .await;
    assert!(healed(&store, &session).await.get("n").is_none(), "late, and refused");
    assert_eq!(
        healed(&store, &second).await.get("n").unwrap().value,
        "in time",
        "as the statement that was in time shows, it was received"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_into_a_black_hole_ends_with_its_deadline() {
    let place = Place::new(require_server!(SERVER.get()));
    let proxy = Proxy::start(SERVER.get().as_ref().unwrap().port()).unwrap();
    let (_pool, store, session) = warm(&place, &proxy.url(&place.url)).await;
    proxy.set(Mode::BlackHole);
    let mut unknown = 0;
    for _ in 0..4 {
        let error = store.apply(brief(), session.key, session.presented, &change("1")).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error}");
        unknown += u32::from(error.is_outcome_unknown());
    }
    assert!((1..=2).contains(&unknown), "{unknown} were sent on two connections; the others could not be");
    proxy.set(Mode::Pass);
    healed(&store, &session).await;
    assert!(session.apply(&store, &change("2")).await.is_done());
    assert_eq!(session.number(&store, "n").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_cost_nothing() {
    let place = Place::new(require_server!(SERVER.get()));
    let proxy = Proxy::start(SERVER.get().as_ref().unwrap().port()).unwrap();
    let place = Place { url: proxy.url(&place.url), ..place };
    let store = place.builder().min_connections(0).max_connections(3).connect().await.unwrap();
    let session = Session::create(&store).await;
    for round in 1..=3 {
        tokio::join!(session.load(&store), session.load(&store), session.load(&store));
        until("the connections are cut", async || {
            proxy.cut(); // again, when one was being opened
            proxy.counts().open == 0
        })
        .await;
        let number = round.to_string();
        assert!(session.apply(&store, &change(&number)).await.is_done(), "delivered again");
        assert_eq!(session.number(&store, "n").await, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_ended_cost_nothing() {
    let place = Place::new(require_server!(SERVER.get()));
    let store = Arc::new(place.builder().max_connections(6).connect().await.unwrap());
    let session = Session::create(&*store).await;
    for round in 1..=3 {
        let loads = (0..6).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { drop(session.load(&*store).await) })
        });
        for load in loads.collect::<Vec<_>>() {
            load.await.unwrap();
        }
        let mine = format!("SELECT pid FROM pg_stat_activity WHERE query LIKE '%{}%' AND pid <> pg_backend_pid()", place.prefix);
        let ended = place.rows(&format!("SELECT count(pg_terminate_backend(pid)) FROM ({mine}) AS mine")).await[0].get::<i64, _>(0);
        assert!(ended >= 1, "there was nothing to end");
        for n in 0..6 {
            assert!(session.apply(&*store, &change(&(round * 10 + n).to_string())).await.is_done());
            assert_eq!(session.number(&*store, "n").await, round * 10 + n);
        }
    }
}

/// As a pooler in between may, which hands the session on to another server connection.
#[tokio::test]
async fn a_connection_that_forgot_its_statements_is_not_used_again() {
    let place = Place::new(require_server!(SERVER.get()));
    let pool = PgPoolOptions::new().max_connections(1).connect(&place.url).await.unwrap();
    let store = PostgresStore::builder("").prefix(&place.prefix).sweep_interval(Duration::ZERO).connect_pool(pool.clone()).await.unwrap();
    let session = Session::create(&store).await;
    assert_eq!(session.fields(&store).await, Fields::default());
    sqlx::raw_sql("DEALLOCATE ALL").execute(&pool).await.unwrap();
    let error = store.load(op(), session.key, session.presented, None).await.unwrap_err();
    assert!(!error.is_outcome_unknown() && error.to_string().contains("26000"), "{error}");
    assert_eq!(session.fields(&store).await, Fields::default(), "by a new connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_was_acknowledged_and_the_store_heals() {
    let server = require_server!(PostgresServer::start());
    let place = Place::new(&server);
    let store = PostgresStore::builder(&place.url).prefix(&place.prefix).connect().await.unwrap();
    let session = Session::create(&store).await;
    for (round, end) in [PostgresServer::terminate as fn(&PostgresServer), PostgresServer::kill].into_iter().enumerate() {
        let writer = tokio::spawn({
            let store = store.clone();
            async move {
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    let name = format!("{round}.{n}");
                    match store.apply(op(), session.key, session.presented, &Change::new().set(&name, "1")).await {
                        Ok(applied) => {
                            assert!(applied.is_done());
                            acknowledged.push(name);
                        }
                        Err(error) => {
                            assert!(error.is_backend(), "{error}");
                            return (acknowledged, name, error);
                        }
                    }
                }
                unreachable!()
            }
        });
        let ours = format!("{round}.");
        let written = async || session.fields(&store).await.iter().filter(|(name, _)| name.starts_with(&ours)).count();
        until("some writes are in", async || written().await >= 6).await;
        let server = &server;
        tokio::task::block_in_place(|| end(server));
        let (acknowledged, _, error) = writer.await.unwrap();
        assert!(acknowledged.len() >= 5, "{error}");
        // the first may meet connections that the server had ended before
        until("the store knows that the server is gone", async || {
            let down = store.apply(brief(), session.key, session.presented, &change("down")).await.unwrap_err();
            assert!(down.is_backend(), "{down}");
            down.kind() == ErrorKind::Unavailable && !down.is_outcome_unknown()
        })
        .await;
        tokio::task::block_in_place(|| server.restart());
        let fields = healed(&store, &session).await;
        assert!(acknowledged.iter().all(|name| fields.get(name).is_some()), "an acknowledged change is lost");
        assert!(fields.get("n").is_none());
    }
}

#[tokio::test]
async fn futures_dropped_at_any_point_leave_no_connection_in_disorder() {
    use std::task::Poll;
    let place = Place::new(require_server!(SERVER.get()));
    let store = place.builder().max_connections(2).connect().await.unwrap();
    let session = Session::create(&store).await;
    let (mut finished, mut locked_finished) = (false, false);
    for polls in 1..60 {
        for locked in [false, true] {
            let name = format!("{locked} {polls}");
            let delta = Change::new().set(&name, "1");
            let mut decide = |_: &Fields| Ok(delta.clone());
            let mut update: std::pin::Pin<Box<dyn Future<Output = bool> + Send>> = if locked {
                let update = store.update_locked(op(), session.key, session.presented, &mut decide);
                Box::pin(async move { update.await.unwrap().unwrap().is_done() })
            } else {
                Box::pin(async { store.apply(op(), session.key, session.presented, &delta).await.unwrap().is_done() })
            };
            let mut left = polls;
            let answer = std::future::poll_fn(|context| match update.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if left == 1 => Poll::Ready(None),
                Poll::Pending => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await;
            drop(update);
            let expected = session.number(&store, "after").await + 1;
            assert!(session.apply(&store, &Change::new().set("after", expected.to_string())).await.is_done());
            assert_eq!(session.number(&store, "after").await, expected, "each answer is to its own question, after {polls} polls");
            if let Some(done) = answer {
                assert!(done && session.fields(&store).await.get(&name).is_some());
                if locked { locked_finished = true } else { finished = true }
            }
        }
    }
    assert!(finished && locked_finished);
    let open =
        place.number("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND query LIKE '%unstick_%'").await;
    assert_eq!(open, 0, "no transaction is left open");
}
