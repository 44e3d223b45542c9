//! A write that the server gets to after its deadline changes nothing, whatever it is.

mod common;

use std::{num::NonZeroU32, time::Duration};

use common::{SECOND, Session, calls, content, fresh_prefix, op, store_at};
use unstick_core::*;
use unstick_testkit::{
    require_server,
    servers::{RedisServer, poll},
};

const BUDGET: Duration = Duration::from_millis(150);

fn brief() -> OpCtx {
    let op = op();
    OpCtx { deadline: op.now + BUDGET, ..op }
}

/// Starts `operation` while the server is held up, and lets the server go on when the deadline has passed. The caller hears in time
/// that it does not know; the server then carries out the script, which refuses.
async fn held_up<T: std::fmt::Debug>(redis: &RedisServer, operation: impl Future<Output = Result<T, Error>>) {
    let before = calls(redis, "evalsha");
    redis.stop();
    let start = Timestamp::system_now();
    let error = operation.await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    while Timestamp::system_now() <= start + BUDGET * 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    redis.cont();
    poll(10 * SECOND, || (calls(redis, "evalsha") > before).then_some(())).expect("the server never got to the script");
}

#[tokio::test]
async fn writes_that_the_server_gets_to_too_late_change_nothing() {
    let redis = require_server!(RedisServer::start());
    let prefix = fresh_prefix();
    let store = store_at(&redis.url(), &prefix).await;
    let session = Session::create_for(&store, Some("ann")).await;
    session.set(&store, "n", "1").await;
    // every script is known to the server, so that the next call of each is one that is refused for its lateness alone
    let (stranger, until) = (Session::new(), Timestamp::system_now() + 900 * SECOND);
    let index = store.principal_index().unwrap();
    index.reserve(op(), "bob", Session::new().key, NonZeroU32::MAX, until).await.unwrap();
    index.end_others(op(), "nobody", None, SECOND).await.unwrap();
    store.end(op(), Session::new().key, None, until).await.unwrap();
    let renewal = Renewal { idle_deadline: until, issued: Timestamp::system_now() };
    store.load(op(), stranger.key, stranger.presented, Some(renewal)).await.unwrap();
    let change = Change::new().set("n", "late");
    let (_, rotation) = session.rotation(None, Some("bob"));
    let before = content(&redis, &prefix);
    assert!(before.len() >= 4);

    held_up(&redis, store.create(brief(), stranger.key, &stranger.record(None, Fields::default()))).await;
    held_up(&redis, store.create(brief(), stranger.key, &stranger.record(Some("ann"), Fields::default()))).await;
    held_up(&redis, store.apply(brief(), session.key, session.presented, &change)).await;
    held_up(&redis, store.rotate(brief(), session.key, session.presented, &rotation, &change)).await;
    let (_, unnamed) = session.rotation(Some(SECOND), None);
    held_up(&redis, store.rotate(brief(), session.key, session.presented, &unnamed, &change)).await;
    held_up(&redis, store.end(brief(), session.key, Some(session.presented), until)).await;
    held_up(&redis, store.end(brief(), stranger.key, None, until)).await;
    held_up(&redis, store.load(brief(), session.key, session.presented, Some(renewal))).await;
    held_up(&redis, index.reserve(brief(), "ann", stranger.key, NonZeroU32::MAX, until)).await;
    held_up(&redis, index.end_others(brief(), "ann", None, SECOND)).await;
    assert_eq!(content(&redis, &prefix), before);

    session.set(&store, "n", "in time").await;
    assert_eq!(session.text(&store, "n").await, "in time", "and then all is as before");
}
