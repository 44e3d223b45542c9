//! What the principal index keeps, repairs and lets go of.

mod common;

use std::num::NonZeroU32;

use common::{SECOND, Session, fresh_prefix, op, store_at};
use unstick_core::*;
use unstick_testkit::{
    require_server,
    servers::{RedisServer, Shared},
};

static REDIS: Shared<RedisServer> = Shared::new(RedisServer::start);

/// The only index under a prefix: its number of entries, and for how many more seconds it is kept.
fn index_under(redis: &RedisServer, prefix: &str) -> (i64, i64) {
    let keys = redis.command(&["KEYS", &format!("{prefix}p:*")]).unwrap();
    let [key] = keys.list() else { panic!("{keys:?}") };
    let key = key.text();
    let number = |command| redis.command(&[command, &key]).unwrap().int().unwrap();
    (number("HLEN"), number("TTL"))
}

#[tokio::test]
async fn an_index_is_kept_as_long_as_its_sessions_may_live() {
    let redis = require_server!(REDIS.get());
    for promoted in [false, true] {
        let prefix = fresh_prefix();
        let store = store_at(&redis.url(), &prefix).await;
        if promoted {
            let session = Session::create(&store).await;
            let (_, rotation) = session.rotation(None, Some("ann"));
            store.rotate(op(), session.key, session.presented, &rotation, &Change::new()).await.unwrap();
        } else {
            Session::create_for(&store, Some("ann")).await;
        }
        let (entries, left) = index_under(redis, &prefix);
        assert_eq!(entries, 1);
        assert!((6_200..=6_300).contains(&left), "6000 s to live, and 300 more: {left}");
    }
}

#[tokio::test]
async fn reading_takes_out_what_is_dead() {
    let redis = require_server!(REDIS.get());
    let prefix = fresh_prefix();
    let store = store_at(&redis.url(), &prefix).await;
    let index = store.principal_index().unwrap();
    let (live, ended, gone) = (
        Session::create_for(&store, Some("ann")).await,
        Session::create_for(&store, Some("ann")).await,
        Session::create_for(&store, Some("ann")).await,
    );
    store.end(op(), ended.key, None, op().now + 900 * SECOND).await.unwrap();
    redis.command(&["DEL", &gone.place(&prefix)]).unwrap();
    assert_eq!(index_under(redis, &prefix).0, 3);
    let listed: Vec<RecordKey> = index.list(op(), "ann").await.unwrap().iter().map(|entry| entry.key).collect();
    assert_eq!(listed, [live.key]);
    // the creation of a session that is missing might still be under way, by another server's clock
    assert_eq!(index_under(redis, &prefix).0, 2);
    let one = NonZeroU32::MIN;
    let until = op().now + 60 * SECOND;
    assert_eq!(index.reserve(op(), "ann", Session::new().key, one, until).await.unwrap(), Reservation::Full);
    store.end(op(), live.key, None, op().now + 900 * SECOND).await.unwrap();
    index.list(op(), "ann").await.unwrap();
    assert_eq!(index_under(redis, &prefix).0, 1);
}

/// A session that has gone over to another principal is not the first one's to end.
#[tokio::test]
async fn a_session_follows_its_last_principal() {
    let redis = require_server!(REDIS.get());
    let store = store_at(&redis.url(), &fresh_prefix()).await;
    let index = store.principal_index().unwrap();
    for by_promotion in [false, true] {
        let mut session = Session::create_for(&store, (!by_promotion).then_some("ann")).await;
        let names: &[&str] = if by_promotion { &["ann", "bob"] } else { &["bob"] };
        for name in names {
            let (next, rotation) = session.rotation(None, Some(name));
            let rotated = store.rotate(op(), session.key, session.presented, &rotation, &Change::new()).await.unwrap();
            assert!(matches!(rotated, Rotated::Done { rotated: true, .. }));
            session = next;
        }
        assert_eq!(index.end_others(op(), "ann", None, SECOND).await.unwrap(), 0);
        assert!(matches!(session.load(&store).await, Loaded::Live(_)), "bob's session lives");
        assert_eq!(index.list(op(), "bob").await.unwrap().len(), 1);
        assert_eq!(index.end_others(op(), "bob", None, SECOND).await.unwrap(), 1);
    }
}

/// A promotion that was refused gives its place back.
#[tokio::test]
async fn a_refused_promotion_takes_no_place() {
    let redis = require_server!(REDIS.get());
    let store = store_at(&redis.url(), &fresh_prefix()).await;
    let index = store.principal_index().unwrap();
    let session = Session::create(&store).await;
    let (_, rotation) = session.rotation(None, Some("ann"));
    let conflict = Change::new().set("n", "1").expect("n", FieldVersion::from_u64(7));
    let refused = store.rotate(op(), session.key, session.presented, &rotation, &conflict).await.unwrap();
    assert!(matches!(refused, Rotated::Refused(Applied::Conflict(_))));
    let until = op().now + 60 * SECOND;
    let other = Session::new().key;
    assert_eq!(index.reserve(op(), "ann", other, NonZeroU32::MIN, until).await.unwrap(), Reservation::Granted);
    assert_eq!(index.end_others(op(), "ann", None, SECOND).await.unwrap(), 0);
    assert!(matches!(session.load(&store).await, Loaded::Live(_)), "and its session is not ann's to end");
}
