//! A server that is out of memory refuses whole changes and keeps what it has; reading and ending go on.

mod common;

use common::{SECOND, Session, content, fresh_prefix, op, store_at};
use unstick_core::*;
use unstick_testkit::{require_server, servers::RedisServer};

fn limit(redis: &RedisServer, bytes: &str) {
    redis.command(&["CONFIG", "SET", "maxmemory", bytes]).unwrap();
}

fn full<T: std::fmt::Debug>(answer: Result<T, Error>) {
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::Full, false), "{error:?}");
}

#[tokio::test]
async fn a_full_server_takes_no_half_changes() {
    let redis = require_server!(RedisServer::builder().max_memory("100mb", "noeviction").start());
    let prefix = fresh_prefix();
    let store = store_at(&redis.url(), &prefix).await;
    let (session, other) = (Session::create_for(&store, Some("ann")).await, Session::create_for(&store, Some("ann")).await);
    session.set(&store, "n", "1").await;
    let stranger = Session::new();
    let index = store.principal_index().unwrap();
    let until = Timestamp::system_now() + 900 * SECOND;
    let before = content(&redis, &prefix);

    limit(&redis, "1");
    full(store.create(op(), stranger.key, &stranger.record(None, Fields::default())).await);
    full(store.create(op(), stranger.key, &stranger.record(Some("ann"), Fields::default())).await);
    full(store.apply(op(), session.key, session.presented, &Change::new().set("n", "2").set("m", "3")).await);
    let cleared = Change { clear: true, ..Change::new().set("m", "3") };
    full(store.apply(op(), session.key, session.presented, &cleared).await);
    for principal in [None, Some("bob")] {
        let (_, rotation) = session.rotation(Some(SECOND), principal);
        full(store.rotate(op(), session.key, session.presented, &rotation, &Change::new().set("n", "2")).await);
    }
    full(index.reserve(op(), "ann", stranger.key, std::num::NonZeroU32::MAX, until).await);
    assert_eq!(content(&redis, &prefix), before);

    let renewal = Renewal { idle_deadline: until, issued: Timestamp::system_now() };
    let loaded = store.load(op(), session.key, session.presented, Some(renewal)).await.unwrap();
    let Loaded::Live(live) = loaded else { panic!("{loaded:?}") };
    assert_eq!(live.idle_deadline, session.credential.idle_deadline(), "read, but not renewed");
    assert_eq!(index.list(op(), "ann").await.unwrap().len(), 2);

    // logging out and revoking work all the same
    assert_eq!(store.end(op(), session.key, Some(session.presented), until).await.unwrap(), Ended::Done { was_live: true });
    assert_eq!(store.end(op(), stranger.key, None, until).await.unwrap(), Ended::Done { was_live: false });
    assert_eq!(index.end_others(op(), "ann", None, SECOND).await.unwrap(), 1);
    limit(&redis, "100mb");
    for session in [session, stranger, other] {
        assert!(matches!(session.load(&store).await, Loaded::Ended { .. }));
        let created = store.create(op(), session.key, &session.record(None, Fields::default())).await.unwrap();
        assert!(matches!(created, Created::Ended { .. }), "{created:?}");
    }
}

/// Many operations within their deadlines are put aside by one more command, which must not stand alone.
#[tokio::test]
async fn a_full_server_puts_no_operations_aside() {
    let redis = require_server!(RedisServer::builder().max_memory("100mb", "noeviction").start());
    let prefix = fresh_prefix();
    let store = store_at(&redis.url(), &prefix).await;
    let session = Session::create(&store).await;
    for n in 0..200 {
        let before = content(&redis, &prefix);
        limit(&redis, "1");
        full(store.apply(op(), session.key, session.presented, &Change::new().set("n", n.to_string())).await);
        assert_eq!(content(&redis, &prefix), before, "{n}");
        limit(&redis, "100mb");
        session.set(&store, "n", &n.to_string()).await;
        if redis.command(&["EXISTS", &format!("{}:o", session.place(&prefix))]).unwrap().int() == Some(1) {
            assert!(n > 20, "operations are put aside only when they are many");
            return;
        }
    }
    panic!("no operations were ever put aside");
}
