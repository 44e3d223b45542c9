//! What each operation costs, counted by the server.

mod common;

use std::{num::NonZeroU32, sync::Arc};

use common::{SECOND, Session, calls, fresh_prefix, op, store_at};
use unstick_core::*;
use unstick_redis::RedisStore;
use unstick_testkit::{require_server, servers::RedisServer};

/// Commands that came over the wire since the last look. `GET` within scripts is told apart by the scripts' own count.
struct Wire<'a>(&'a RedisServer);

impl Wire<'_> {
    fn seen(&self) -> (u64, u64) {
        let scripts = calls(self.0, "evalsha") + calls(self.0, "eval");
        let all = self.0.info("commandstats").unwrap();
        // every script asks for the time once; the test's own commands are these
        let beside = ["info", "config|resetstat", "config", "time", "get", "set", "setrange", "getrange", "pexpireat", "pttl", "del"];
        let within = ["hset", "hget", "hgetall", "hvals", "hdel", "zadd", "zscore", "zremrangebyscore", "evalsha", "eval"];
        let other: Vec<_> = all
            .lines()
            .filter_map(|(name, _)| name.strip_prefix("cmdstat_"))
            .filter(|name| !beside.contains(name) && !within.contains(name))
            .collect();
        assert!(other.is_empty(), "unexpected commands: {other:?}");
        (scripts, calls(self.0, "get"))
    }

    /// Scripts, and `GET`s of which some were within scripts.
    async fn cost<T>(&self, operation: impl Future<Output = T>) -> (u64, u64) {
        self.0.command(&["CONFIG", "RESETSTAT"]).unwrap();
        operation.await;
        self.seen()
    }
}

async fn warm(store: &RedisStore) {
    let session = Session::create_for(store, Some("warm")).await;
    session.set(store, "a", "1").await;
    let renewal = Renewal { idle_deadline: Timestamp::system_now() + 900 * SECOND, issued: Timestamp::system_now() };
    store.load(op(), session.key, session.presented, Some(renewal)).await.unwrap();
    let (_, rotation) = session.rotation(None, Some("warm"));
    store.rotate(op(), session.key, session.presented, &rotation, &Change::new()).await.unwrap();
    let index = store.principal_index().unwrap();
    index.reserve(op(), "warm", Session::new().key, NonZeroU32::MIN, Timestamp::system_now() + SECOND).await.unwrap();
    index.list(op(), "warm").await.unwrap();
    index.end_others(op(), "warm", None, SECOND).await.unwrap();
    store.end(op(), session.key, None, Timestamp::system_now() + SECOND).await.unwrap();
}

#[tokio::test]
async fn one_command_reads_and_one_writes() {
    let redis = require_server!(RedisServer::start());
    let store = store_at(&redis.url(), &fresh_prefix()).await;
    warm(&store).await;
    let wire = Wire(&redis);
    let session = Session::new();
    let new = session.record(None, Fields::default());
    let nothing = Change::new();

    assert_eq!(wire.cost(store.create(op(), session.key, &new)).await, (1, 1), "create");
    assert_eq!(wire.cost(session.set(&store, "a", "1")).await, (1, 1), "a blind write");
    assert_eq!(wire.cost(session.load(&store)).await, (0, 1), "a read");
    let renewal = Renewal { idle_deadline: Timestamp::system_now() + 900 * SECOND, issued: Timestamp::system_now() };
    let renewing = store.load(op(), session.key, session.presented, Some(renewal));
    assert_eq!(wire.cost(renewing).await, (1, 1), "a read with a renewal");
    let version = session.fields(&store).await.version("a");
    let conditional = Change::new().set("a", "2").expect("a", version);
    assert_eq!(wire.cost(session.apply(&store, &conditional)).await, (1, 1), "a conditional write");
    assert_eq!(wire.cost(session.apply(&store, &conditional)).await, (1, 1), "a conflict, with the fields");
    let (next, rotation) = session.rotation(Some(SECOND), None);
    let rotate = store.rotate(op(), session.key, session.presented, &rotation, &nothing);
    assert_eq!(wire.cost(rotate).await, (1, 1), "a rotation");
    let (last, promotion) = next.rotation(None, Some("ann"));
    let promote = store.rotate(op(), next.key, next.presented, &promotion, &nothing);
    assert_eq!(wire.cost(promote).await, (3, 1), "a promotion: entered, carried out, settled");
    let end = store.end(op(), last.key, Some(last.presented), Timestamp::system_now() + 900 * SECOND);
    assert_eq!(wire.cost(end).await, (1, 0), "an end");

    let named = Session::new();
    let new = named.record(Some("bob"), Fields::default());
    assert_eq!(wire.cost(store.create(op(), named.key, &new)).await, (2, 1), "create with a principal");
    let index = store.principal_index().unwrap();
    let reserve = index.reserve(op(), "bob", Session::new().key, NonZeroU32::MAX, Timestamp::system_now() + SECOND);
    assert_eq!(wire.cost(reserve).await, (1, 0), "a reservation where there is room");
}

/// A session written to at a high rate does not grow: the operations to remember go aside, and all of them are remembered.
#[tokio::test]
async fn a_hot_session_stays_small_and_forgets_no_operation() {
    let redis = require_server!(RedisServer::start());
    let prefix = fresh_prefix();
    let store = Arc::new(store_at(&redis.url(), &prefix).await);
    let session = Session::create(&store).await;
    let mut ops = Vec::new();
    for n in 0..500 {
        let op = op();
        assert!(store.apply(op, session.key, session.presented, &Change::new().set("n", n.to_string())).await.unwrap().is_done());
        ops.push(op);
    }
    let size = redis.command(&["STRLEN", &session.place(&prefix)]).unwrap().int().unwrap();
    assert!(size < 1100, "{size} bytes");
    for op in ops {
        assert!(store.apply(op, session.key, session.presented, &Change::new().set("n", "again")).await.unwrap().is_done());
        let conflict = Change::new().set("n", "again").expect("n", FieldVersion::ABSENT);
        assert!(store.apply(op, session.key, session.presented, &conflict).await.unwrap().is_done(), "done before");
    }
    assert_eq!(session.text(&store, "n").await, "499");
}
