//! What is on the server: what each operation costs, what happens when something is gone, and what is never touched.

mod level_common;

use level_common::{MINUTE, SECOND, WANT, fresh_prefix, lease, level_at, op, put, text, value};
use unstick_core::{ErrorKind, Filled, Level, LevelKey, Looked, OpCtx, Target, Timestamp};
use unstick_redis::{RedisClient, RedisLevel};
use unstick_testkit::{
    require_server,
    servers::{Monitor, RedisCluster, RedisServer, Shared},
};

static REDIS: Shared<RedisServer> = Shared::new(RedisServer::start);

fn key(text: &str) -> LevelKey {
    text.into()
}

/// The commands that clients sent, in groups: what does not wait for an answer has no time between.
async fn sent<T>(monitor: &mut Monitor<'_>, operation: impl Future<Output = T>) -> Vec<String> {
    monitor.read().unwrap();
    operation.await;
    let seen = monitor.read().unwrap().into_iter().filter(|command| command.was_sent());
    let mut names: Vec<String> = seen.map(|command| command.name()).filter(|name| name != "ping" && name != "info").collect();
    names.sort();
    names
}

/// Commands per operation: those of the first trip are the meta and the key; with tags, one more per tag in a second trip.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_each_operation_costs() {
    let redis = require_server!(RedisServer::start());
    let level = level_at(&redis.url(), &fresh_prefix()).await;
    let tags = ["a", "b"];
    // scripts and tags are known afterwards
    put(&level, &key("warm"), &value("v", &tags)).await;
    let held = lease(&level, &key("warm too")).await;
    level.extend(op(), &key("warm too"), 1, held.token, MINUTE).await.unwrap();
    level.read(op(), &key("warm"), 1).await.unwrap();
    level.invalidate(op(), &Target::Tag("c".into())).await.unwrap();
    level.invalidate(op(), &Target::Key(key("warm"))).await.unwrap();
    level.invalidate(op(), &Target::All).await.unwrap();
    put(&level, &key("plain"), &value("v", &[])).await;

    let mut monitor = redis.monitor().unwrap();
    let (plain, tagged) = (key("plain"), key("tagged"));
    let read = ["evalsha", "get"];
    assert_eq!(sent(&mut monitor, level.read(op(), &plain, 1)).await, read, "a read without tags: one trip");
    assert_eq!(sent(&mut monitor, level.read_or_lease(op(), &plain, &WANT)).await, read, "found: one trip");
    assert_eq!(sent(&mut monitor, level.read(op(), &key("none"), 1)).await, read, "nothing there: one trip");
    let mut held = None;
    assert_eq!(sent(&mut monitor, async { held = Some(lease(&level, &tagged).await) }).await, read, "a lease: one trip");
    let held = held.unwrap();
    assert_eq!(sent(&mut monitor, level.extend(op(), &tagged, 1, held.token, MINUTE)).await, read, "an extension: one trip");
    let filled = value("v", &tags);
    let fill = sent(&mut monitor, level.fill(op(), &tagged, held, &filled)).await;
    assert_eq!(fill, ["evalsha", "evalsha", "evalsha", "get"], "a fill with two known tags: tags and meta, then the value");
    let read = ["evalsha", "get", "get", "get"];
    assert_eq!(sent(&mut monitor, level.read(op(), &tagged, 1)).await, read, "a read with two tags: two trips");
    assert_eq!(sent(&mut monitor, level.read_or_lease(op(), &tagged, &WANT)).await, read, "found: two trips");
    let held = lease(&level, &key("k")).await;
    assert_eq!(sent(&mut monitor, level.fill(op(), &key("k"), held, &value("v", &[]))).await, ["evalsha", "get"], "a fill without tags");
    let held = lease(&level, &key("released")).await;
    assert_eq!(sent(&mut monitor, level.release(op(), &key("released"), held)).await, ["evalsha"]);
    assert_eq!(sent(&mut monitor, level.invalidate(op(), &Target::Key(plain.clone()))).await, ["evalsha"]);
    assert_eq!(sent(&mut monitor, level.invalidate(op(), &Target::Tag("a".into()))).await, ["evalsha", "evalsha"]);
    assert_eq!(sent(&mut monitor, level.invalidate(op(), &Target::All)).await, ["evalsha"]);
    let held = lease(&level, &key("new")).await;
    let fill = sent(&mut monitor, level.fill(op(), &key("new"), held, &value("v", &["new tag"]))).await;
    assert_eq!(fill, ["evalsha", "evalsha", "evalsha", "get", "get"], "a tag that is not known: claimed, settled, and then the value");
}

/// Losing any single key of the level costs hits, and never brings back what was invalidated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_drops_is_missing() {
    let redis = require_server!(REDIS.get());
    let prefix = fresh_prefix();
    let level = level_at(&redis.url(), &prefix).await;
    let (meta, tag) = (format!("{prefix}c:meta"), format!("{prefix}t:{{t}}"));
    let (plain, tagged, loading) = (key("plain"), key("tagged"), key("loading"));

    for lost in [&meta, &tag] {
        put(&level, &plain, &value("v", &[])).await;
        put(&level, &tagged, &value("v", &["t"])).await;
        let held = lease(&level, &loading).await;
        assert_eq!(redis.command(&["DEL", lost]).unwrap().int(), Some(1));
        let meta_lost = *lost == meta;
        assert_eq!(text(&level, &plain).await.is_none(), meta_lost);
        assert_eq!(text(&level, &tagged).await, None, "{lost}");
        // invalidated while nothing is known of the tag, and made known again by another value
        level.invalidate(op(), &Target::Tag("t".into())).await.unwrap();
        put(&level, &key("another"), &value("new", &["t"])).await;
        assert_eq!(text(&level, &tagged).await, None, "{lost}");
        let filled = level.fill(op(), &loading, held, &value("stale", &["t"])).await.unwrap();
        assert_eq!(filled, Filled::Refused, "{lost}");
        assert_eq!(text(&level, &key("another")).await.as_deref(), Some("new"));
        level.invalidate(op(), &Target::All).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_server_holds_nothing_from_before() {
    let redis = require_server!(RedisServer::start());
    let level = level_at(&redis.url(), &fresh_prefix()).await;
    put(&level, &key("k"), &value("old", &["t"])).await;
    let (tagged, plain) = (lease(&level, &key("a")).await, lease(&level, &key("b")).await);
    redis.command(&["FLUSHALL"]).unwrap();
    assert_eq!(text(&level, &key("k")).await, None);
    assert_eq!(level.fill(op(), &key("a"), tagged, &value("stale", &["t"])).await.unwrap(), Filled::Refused);
    assert_eq!(level.fill(op(), &key("b"), plain, &value("stale", &[])).await.unwrap(), Filled::Refused);
    put(&level, &key("k"), &value("new", &["t"])).await;
    assert_eq!(text(&level, &key("k")).await.as_deref(), Some("new"));
    assert_ne!(lease(&level, &key("c")).await.start.epoch, plain.start.epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_loses_one_node_s_data_hands_out_nothing_stale() {
    let cluster = require_server!(RedisCluster::start());
    let prefix = fresh_prefix();
    let level = level_at(&cluster.url(), &prefix).await;
    let keys: Vec<LevelKey> = (0..30).map(|n| key(&format!("k{n}"))).collect();
    for key in &keys {
        put(&level, key, &value("old", &["t"])).await;
    }
    cluster.master_of_key(&format!("{prefix}t:{{t}}")).command(&["FLUSHALL"]).unwrap();
    level.invalidate(op(), &Target::Tag("t".into())).await.unwrap();
    for key in &keys {
        assert_eq!(text(&level, key).await, None);
    }
    put(&level, &keys[0], &value("new", &["t"])).await;
    for key in &keys[1..] {
        assert_eq!(text(&level, key).await, None, "the tag is known again");
    }
    assert_eq!(text(&level, &keys[0]).await.as_deref(), Some("new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_applications_share_a_server_by_prefixes() {
    let redis = require_server!(REDIS.get());
    let (here, there) = (fresh_prefix(), fresh_prefix());
    let (one, two) = (level_at(&redis.url(), &here).await, level_at(&redis.url(), &there).await);
    put(&one, &key("k"), &value("one", &["t"])).await;
    let held = lease(&one, &key("loading")).await;
    assert_eq!(text(&two, &key("k")).await, None);
    put(&two, &key("k"), &value("two", &["t"])).await;
    for target in [Target::Key(key("k")), Target::Key(key("loading")), Target::Tag("t".into()), Target::All] {
        two.invalidate(op(), &target).await.unwrap();
    }
    assert_eq!(text(&one, &key("k")).await.as_deref(), Some("one"));
    let filled = one.fill(op(), &key("loading"), held, &value("v", &["t"])).await.unwrap();
    assert_eq!(filled, Filled::Done { awaited: false });
    let keys = redis.command(&["KEYS", "*"]).unwrap();
    let of = |prefix: &str| keys.list().iter().filter(|key| key.text().starts_with(prefix)).count();
    assert_eq!((of(&here), of(&there)), (4, 4), "two keys, a tag and the meta; of the other, two invalidated keys, a tag and the meta");
}

/// What a newer release wrote counts as missing, and stays until a load of this release fills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_a_newer_format_are_missing() {
    let redis = require_server!(REDIS.get());
    let prefix = fresh_prefix();
    let level = level_at(&redis.url(), &prefix).await;
    put(&level, &key("k"), &value("v", &[])).await;
    let place = format!("{prefix}c:{{k}}");
    let newer = "\u{2}of another release, and long enough to be taken for one of this release";
    redis.command(&["HSET", &place, "v1", newer]).unwrap();
    assert_eq!(text(&level, &key("k")).await, None);
    let held = lease(&level, &key("k")).await;
    assert_eq!(redis.command(&["HGET", &place, "v1"]).unwrap().text(), newer, "left alone");
    assert_eq!(level.fill(op(), &key("k"), held, &value("mine", &[])).await.unwrap(), Filled::Done { awaited: false });
    assert_eq!(text(&level, &key("k")).await.as_deref(), Some("mine"));

    redis.command(&["SET", &format!("{prefix}c:meta"), newer]).unwrap();
    for error in [level.read(op(), &key("k"), 1).await.unwrap_err(), level.invalidate(op(), &Target::All).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::UnknownFormat);
    }
    assert_eq!(redis.command(&["GET", &format!("{prefix}c:meta")]).unwrap().text(), newer);
}

/// What cannot be read behind its head does not keep a key from being loaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_value_is_loaded_anew() {
    let redis = require_server!(REDIS.get());
    let prefix = fresh_prefix();
    let level = level_at(&redis.url(), &prefix).await;
    put(&level, &key("k"), &value("v", &[])).await;
    let cut = "local v = redis.call('HGET', KEYS[1], 'v1') redis.call('HSET', KEYS[1], 'v1', string.sub(v, 1, 49) .. '\\255\\255' .. 'x')";
    redis.command(&["EVAL", cut, "1", &format!("{prefix}c:{{k}}")]).unwrap();
    assert_eq!(text(&level, &key("k")).await, None);
    put(&level, &key("k"), &value("new", &[])).await;
    assert_eq!(text(&level, &key("k")).await.as_deref(), Some("new"));
}

/// Everything that is on the server goes by itself, but for the meta.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_but_the_meta_expires() {
    let redis = require_server!(REDIS.get());
    let prefix = fresh_prefix();
    let level = level_at(&redis.url(), &prefix).await;
    put(&level, &key("k"), &value("v", &["t"])).await;
    lease(&level, &key("loading")).await;
    level.invalidate(op(), &Target::Key(key("gone"))).await.unwrap();
    level.invalidate(op(), &Target::Tag("nobody's".into())).await.unwrap();
    let left = |place: &str| redis.command(&["PTTL", &format!("{prefix}{place}")]).unwrap().int().unwrap();
    let (minute, kept) = (60_000, 20 * 60_000);
    for (place, least, most) in [
        ("c:{k}", kept - minute, kept + 10_000),
        ("t:{t}", left("c:{k}"), kept + minute),
        ("c:{loading}", 1, minute + 10_000),
        ("c:{gone}", 1, minute),
        ("t:{nobody's}", 1, minute),
    ] {
        let left = left(place);
        assert!((least..=most).contains(&left), "{place}: {left} ms");
    }
    assert_eq!(left("c:meta"), -1);
}

/// A hung server costs no more than the operation's deadline, and afterwards all is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_server_is_told_in_time() {
    let redis = require_server!(RedisServer::start());
    let level = level_at(&redis.url(), &fresh_prefix()).await;
    let held = lease(&level, &key("loading")).await;
    put(&level, &key("k"), &value("v", &["t"])).await;
    redis.stop();
    let brief = || {
        let op = op();
        OpCtx { deadline: op.now + SECOND / 5, ..op }
    };
    let begin = Timestamp::system_now();
    let filled = value("late", &["t"]);
    let errors = [
        level.read(brief(), &key("k"), 1).await.map(drop).unwrap_err(),
        level.read_or_lease(brief(), &key("k"), &WANT).await.map(drop).unwrap_err(),
        level.extend(brief(), &key("loading"), 1, held.token, MINUTE).await.map(drop).unwrap_err(),
        level.fill(brief(), &key("loading"), held, &filled).await.map(drop).unwrap_err(),
        level.release(brief(), &key("loading"), held).await.map(drop).unwrap_err(),
        level.invalidate(brief(), &Target::Key(key("k"))).await.unwrap_err(),
        level.invalidate(brief(), &Target::Tag("t".into())).await.unwrap_err(),
        level.invalidate(brief(), &Target::All).await.unwrap_err(),
    ];
    let took = Timestamp::system_now().since(begin);
    for error in &errors {
        assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Interrupted | ErrorKind::Unavailable), "{error:?}");
    }
    assert!(took < 15 * SECOND, "eight calls of 200 ms took {took:?}, as if the client's own deadline of 30 s counted");
    redis.cont();
    // what was held up is refused by the server for its lateness, or was given up with its connection
    unstick_until_healed(&level).await;
    assert_eq!(text(&level, &key("k")).await.as_deref(), Some("v"), "nothing was invalidated late");
}

async fn unstick_until_healed(level: &RedisLevel) {
    for _ in 0..1000 {
        if level.read(op(), &key("healed?"), 1).await.is_ok() {
            return;
        }
        tokio::time::sleep(SECOND / 50).await;
    }
    panic!("the level never answered again");
}

/// With too few replicas an invalidation is done and not confirmed, and repeating it says so again; fills and leases do not ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_waited_for_by_invalidations_alone() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::builder(&redis.url()).deadline(10 * SECOND).wait_replicas(1, SECOND / 10).connect().await.unwrap();
    let level = RedisLevel::new(&client).unwrap();
    for target in [Target::Key(key("k")), Target::Tag("t".into()), Target::All] {
        put(&level, &key("k"), &value("v", &["t"])).await;
        let op = op();
        for _ in 0..2 {
            let error = level.invalidate(op, &target).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{target:?}");
        }
        assert_eq!(text(&level, &key("k")).await, None, "{target:?}");
        let looked = level.read_or_lease(level_common::op(), &key("k"), &WANT).await.unwrap();
        let Looked::Leased { token, start, .. } = looked else { panic!("{looked:?}") };
        level.release(level_common::op(), &key("k"), unstick_core::Held { schema: 1, token, start }).await.unwrap();
    }
}
