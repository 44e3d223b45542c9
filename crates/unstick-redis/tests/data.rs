//! What is on the server: nothing that opens a session, nothing of others, nothing overwritten that cannot be read.

mod common;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use common::{SECOND, Session, content, fresh_prefix, op, store_at};
use unstick_core::*;
use unstick_testkit::{
    require_server,
    servers::{RedisServer, Reply, Shared},
};

static REDIS: Shared<RedisServer> = Shared::new(RedisServer::start);

fn raw(redis: &RedisServer, words: &[&str]) -> Vec<u8> {
    match redis.command(words).unwrap() {
        Reply::Bytes(bytes) => bytes.to_vec(),
        other => panic!("{words:?}: {other:?}"),
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lineage and secret of a credential, which only its sealed text shows.
fn secrets(session: &Session) -> (Vec<u8>, Vec<u8>, String) {
    let text = KeyRing::new(Key::from_bytes([7; 32]).unwrap()).for_purpose("cookie:id").seal(&session.credential);
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let bits: Vec<bool> = text.bytes().flat_map(|c| (0..6).rev().map(move |bit| digit(c) >> bit & 1 == 1)).collect();
    let raw: Vec<u8> = bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect();
    let (lineage, secret) = (raw[5..21].to_vec(), raw[21..37].to_vec());
    assert_eq!(SecretHash::from_bytes(blake3::hash(&secret).as_bytes()[..16].try_into().unwrap()), session.presented.secret);
    (lineage, secret, text)
}

#[tokio::test]
async fn a_dump_opens_no_session() {
    let redis = require_server!(RedisServer::start());
    let store = store_at(&redis.url(), "unstick:").await;
    let session = Session::create_for(&store, Some("ann@example.org")).await;
    let (next, rotation) = session.rotation(Some(30 * SECOND), None);
    let change = Change::new().set("cart", "[7]");
    store.rotate(op(), session.key, session.presented, &rotation, &change).await.unwrap();
    let ended = Session::create(&store).await;
    store.end(op(), ended.key, None, op().now + 900 * SECOND).await.unwrap();
    for n in 0..100 {
        next.set(&store, "n", &n.to_string()).await;
    }
    let mut dump = Vec::new();
    let keys = redis.command(&["KEYS", "*"]).unwrap();
    assert_eq!(keys.list().len(), 4, "two sessions, operations put aside, and a principal's index");
    for key in keys.list() {
        let key = key.text();
        assert!(!key.contains("ann") && key.starts_with("unstick:"), "{key}");
        dump.extend_from_slice(key.as_bytes());
        dump.extend_from_slice(&raw(&redis, &["DUMP", &key]));
    }
    // what a dump may hold compressed, as it is
    for session in [&session, &ended] {
        dump.extend_from_slice(&raw(&redis, &["GET", &session.place("unstick:")]));
    }
    assert!(contains(&dump, session.presented.secret.as_bytes()) && contains(&dump, b"cart"), "the session is in the dump");
    for session in [&session, &next, &ended] {
        let (lineage, secret, text) = secrets(session);
        for secret in [&lineage[..], &secret[..]] {
            assert!(!contains(&dump, secret) && !contains(&dump, hex(secret).as_bytes()));
        }
        assert!(!contains(&dump, text.as_bytes()));
        assert!((0..3).all(|from| !contains(&dump, &text.as_bytes()[8 + from..28 + from])), "nor a part of it");
    }
}

#[tokio::test]
async fn two_applications_share_a_server_by_prefixes() {
    let redis = require_server!(REDIS.get());
    let (here, there) = (fresh_prefix(), fresh_prefix());
    let (one, two) = (store_at(&redis.url(), &here).await, store_at(&redis.url(), &there).await);
    let session = Session::create_for(&one, Some("ann")).await;
    session.set(&one, "a", "1").await;
    let before = content(redis, &here);
    assert_eq!(session.load(&two).await, Loaded::Missing);
    assert_eq!(session.apply(&two, &Change::new().set("a", "2")).await, Applied::Missing);
    let index = two.principal_index().unwrap();
    assert_eq!(index.list(op(), "ann").await.unwrap(), []);
    assert_eq!(index.end_others(op(), "ann", None, SECOND).await.unwrap(), 0);
    let until = op().now + 60 * SECOND;
    assert_eq!(index.reserve(op(), "ann", Session::new().key, NonZeroU32::MIN, until).await.unwrap(), Reservation::Granted);
    assert_eq!(two.create(op(), session.key, &session.record(Some("ann"), Fields::default())).await.unwrap(), Created::Done);
    two.end(op(), session.key, None, until).await.unwrap();
    assert_eq!(content(redis, &here), before);
    assert_eq!(session.text(&one, "a").await, "1");
}

/// Breaks the record of a session in place by a Lua expression over the old value `v`, and shows that nobody touches it.
async fn is_left_alone(break_it: &str, kind: ErrorKind) {
    let redis = require_server!(REDIS.get());
    let prefix = fresh_prefix();
    let store = store_at(&redis.url(), &prefix).await;
    let session = Session::create_for(&store, Some("ann")).await;
    let (key, by) = (session.key, session.presented);
    session.set(&store, "a", "1").await;
    let script = format!("local v = redis.call('GET', KEYS[1]) redis.call('DEL', KEYS[1]) return {break_it}");
    redis.command(&["EVAL", &script, "1", &session.place(&prefix)]).unwrap();
    let place = session.place(&prefix);
    let dump = || raw(redis, &["DUMP", &place]);
    let before = dump();

    let change = Change::new().set("b", "2");
    let renewal = Some(Renewal { idle_deadline: op().now + 900 * SECOND, issued: op().now });
    assert_eq!(session.load(&store).await, Loaded::Unreadable(kind), "{break_it}");
    assert_eq!(store.load(op(), key, by, renewal).await.unwrap(), Loaded::Unreadable(kind), "{break_it}");
    assert_eq!(session.apply(&store, &change).await, Applied::Unreadable(kind), "{break_it}");
    for (principal, grace) in [(None, Some(SECOND)), (Some("bob"), None)] {
        let (_, rotation) = session.rotation(grace, principal);
        let rotated = store.rotate(op(), key, by, &rotation, &change).await.unwrap();
        assert_eq!(rotated, Rotated::Refused(Applied::Unreadable(kind)), "{break_it}");
    }
    assert_eq!(store.create(op(), key, &session.record(None, Fields::default())).await.unwrap(), Created::Exists, "{break_it}");
    for presented in [Some(by), None] {
        let error = store.end(op(), key, presented, op().now + 900 * SECOND).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{break_it}");
    }
    let index = store.principal_index().unwrap();
    assert_eq!(index.list(op(), "ann").await.unwrap(), [], "{break_it}");
    index.end_others(op(), "ann", None, SECOND).await.expect_err("one was not ended");
    let wish = index.reserve(op(), "ann", Session::new().key, NonZeroU32::MIN, op().now + SECOND).await.unwrap();
    assert_eq!(wish, Reservation::Full, "it keeps its place: {break_it}");
    assert_eq!(dump(), before, "{break_it}");
}

#[tokio::test]
async fn records_of_a_newer_release_are_left_alone() {
    let newer = |value: &str| format!("redis.call('SET', KEYS[1], {value}, 'EX', 900)");
    is_left_alone(&newer("string.sub(v, 1, 2) .. '\\2' .. string.sub(v, 4)"), ErrorKind::UnknownFormat).await;
    is_left_alone(&newer("string.sub(v, 1, 2) .. '\\2'"), ErrorKind::UnknownFormat).await;
    is_left_alone(&newer("string.sub(v, 1, 2) .. '\\255' .. string.rep('x', 500)"), ErrorKind::UnknownFormat).await;
}

#[tokio::test]
async fn what_is_no_record_is_left_alone() {
    for other in [
        "redis.call('SET', KEYS[1], 'x', 'EX', 900)",
        "redis.call('SET', KEYS[1], string.sub(v, 1, 4), 'EX', 900)",
        "redis.call('SET', KEYS[1], string.sub(v, 1, 109), 'EX', 900)",
        "redis.call('SET', KEYS[1], string.rep('\\0', 4000), 'EX', 900)",
        "redis.call('SET', KEYS[1], string.sub(v, 1, 3) .. '\\1' .. string.sub(v, 5), 'EX', 900)",
        "redis.call('SET', KEYS[1], string.sub(v, 1, 3) .. '\\7' .. string.sub(v, 5), 'EX', 900)",
        "redis.call('HSET', KEYS[1], 'a', '1')",
        "redis.call('RPUSH', KEYS[1], 'a')",
        "redis.call('ZADD', KEYS[1], 1, 'a')",
    ] {
        is_left_alone(other, ErrorKind::Corrupt).await;
    }
}

/// Records that are damaged behind their head never make a script fail half-way, nor a reader panic.
#[tokio::test]
async fn every_damaged_byte_has_a_defined_answer() {
    let redis = require_server!(REDIS.get());
    let prefix = fresh_prefix();
    let store = store_at(&redis.url(), &prefix).await;
    let session = Session::create_for(&store, Some("ann")).await;
    session.set(&store, "a", "1").await;
    let place = session.place(&prefix);
    let good = raw(redis, &["GET", &place]);
    let set = "local at = tonumber(ARGV[1]) local b = string.byte(ARGV[2], 1) \
               local v = redis.call('GETRANGE', KEYS[2], 0, -1) \
               redis.call('SET', KEYS[1], string.sub(v, 1, at) .. string.char((string.byte(v, at + 1) + b) % 256) .. string.sub(v, at + 2))";
    let copy = format!("{prefix}copy");
    redis.command(&["COPY", &place, &copy]).unwrap();
    let mut unreadable = 0;
    for at in 0..good.len() {
        for by in ["\u{1}", "@"] {
            redis.command(&["EVAL", set, "2", &place, &copy, &at.to_string(), by]).unwrap();
            let loaded = session.load(&store).await;
            unreadable += u32::from(matches!(loaded, Loaded::Unreadable(_)));
            let applied = session.apply(&store, &Change::new().set("b", "2")).await;
            if matches!(loaded, Loaded::Unreadable(_)) {
                assert!(matches!(applied, Applied::Unreadable(_)) || applied.is_done(), "byte {at}: {applied:?}");
            }
        }
    }
    assert!(unreadable > 30, "{unreadable}");
}

#[tokio::test]
async fn deadlines_of_any_size_are_kept() {
    let redis = require_server!(REDIS.get());
    let prefix = fresh_prefix();
    let store = store_at(&redis.url(), &prefix).await;
    let now = Timestamp::system_now();
    for (from, idle, absolute) in [
        (now, Duration::from_secs(60), Duration::from_secs(u64::from(u32::MAX) * 1000)),
        // a session of long ago: the server's own clock must not take it away at once
        (Timestamp::from_millis(1_000), Duration::from_secs(60), Duration::from_secs(600)),
        (Timestamp::from_millis(4_000_000_000_000), Duration::from_secs(60), Duration::from_secs(600)),
    ] {
        let session = Session::from(Credential::issue(from, from + idle, from + absolute).unwrap());
        let op = || OpCtx { now: from, deadline: from + 10 * SECOND, ..op() };
        // by the runtime's clock such an operation is long over; that of the store does the same
        let clock = unstick_testkit::clock::ManualClock::at(from);
        let client = unstick_redis::RedisClient::builder(&redis.url()).prefix(&prefix).runtime(clock.runtime()).connect().await.unwrap();
        let store_then = unstick_redis::RedisStore::new(&client).unwrap();
        let created = store_then.create(op(), session.key, &session.record(None, Fields::default())).await.unwrap();
        assert_eq!(created, Created::Done);
        let Loaded::Live(live) = store_then.load(op(), session.key, session.presented, None).await.unwrap() else { panic!("lives") };
        assert_eq!((live.idle_deadline, live.absolute_deadline), (from + idle, from + absolute));
        let left = redis.command(&["PTTL", &session.place(&prefix)]).unwrap().int().unwrap();
        assert!(left >= 290_000, "{left} ms");
        let until = Timestamp::from_millis(i64::MAX);
        assert_eq!(store_then.end(op(), session.key, None, until).await.unwrap(), Ended::Done { was_live: true });
        assert!(redis.command(&["PTTL", &session.place(&prefix)]).unwrap().int().unwrap() > 0);
        assert_eq!(store_then.load(op(), session.key, session.presented, None).await.unwrap(), Loaded::Ended { at: from });
    }
    drop(store);
}

/// The bytes that this release writes. When this fails, the format has changed: it needs a new number, and old bytes must stay readable.
#[tokio::test]
async fn the_stored_bytes_are_these() {
    let redis = require_server!(REDIS.get());
    let prefix = fresh_prefix();
    let from = Timestamp::from_millis(1_700_000_000_000);
    let clock = unstick_testkit::clock::ManualClock::at(from);
    let client = unstick_redis::RedisClient::builder(&redis.url()).prefix(&prefix).runtime(clock.runtime()).connect().await.unwrap();
    let store = unstick_redis::RedisStore::new(&client).unwrap();
    let op = |n: u128| OpCtx { now: from + SECOND, deadline: from + 10 * SECOND, op_id: OpId::from_u128(n << 64 | n) };
    let key = RecordKey::from_bytes([0x5a; 32]);
    let first = Presented { secret: SecretHash::from_bytes([1; 16]), issued: from, idle_deadline: from + 60 * SECOND };
    let field = Field { version: FieldVersion::from_u64(7), value: "[1]".into() };
    let new = NewRecord {
        secret: first.secret,
        principal: Some("ann".into()),
        created: from,
        idle_deadline: from + 60 * SECOND,
        absolute_deadline: from + 600 * SECOND,
        fields: Fields::from_iter([(Arc::from("cart"), field)]),
    };
    let place = format!("{prefix}s:{{{}}}", "5a".repeat(32));
    let stored = || {
        let mut bytes = raw(redis, &["GET", &place]);
        if bytes[3] == 0 {
            // until when operations are remembered is on the server's clock
            let at = |from: usize| u32::from_be_bytes(bytes[from..from + 4].try_into().unwrap()) as usize;
            for op in (at(52)..at(56)).step_by(24) {
                bytes[op + 16..op + 24].fill(0xee);
            }
        }
        hex(&bytes)
    };
    assert_eq!(store.create(op(1), key, &new).await.unwrap(), Created::Done);
    assert_eq!(stored(), include_str!("golden/created.hex").trim());

    let rotation = Rotation {
        secret: SecretHash::from_bytes([2; 16]),
        grace_until: Some(from + 30 * SECOND),
        principal: None,
        idle_deadline: from + 61 * SECOND,
        overlap_since: from - 29 * SECOND,
    };
    let renewal = Some(Renewal { idle_deadline: from + 60 * SECOND, issued: from + SECOND });
    let change = Change { renewal, ..Change::new().set("name", "\"x\"") };
    assert!(matches!(store.rotate(op(2), key, first, &rotation, &change).await.unwrap(), Rotated::Done { rotated: true, .. }));
    assert_eq!(stored(), include_str!("golden/rotated.hex").trim());

    assert_eq!(store.end(op(3), key, None, from + 900 * SECOND).await.unwrap(), Ended::Done { was_live: true });
    assert_eq!(stored(), include_str!("golden/ended.hex").trim());
}
