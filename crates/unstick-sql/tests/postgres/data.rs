//! What is in the tables: nothing that opens a session, nothing overwritten that cannot be read.

use unstick_core::*;
use unstick_sql::sqlx::Row;
use unstick_testkit::require_server;

use crate::common::{
    SECOND, Session, op,
    postgres::{Place, SERVER},
};

#[tokio::test]
async fn a_dump_opens_no_session() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let server = require_server!(SERVER.get());
    let place = Place::new(server);
    let store = place.store().await;
    let session = Session::create_for(&store, Some("ann")).await;
    let (next, rotation) = session.rotation(Some(30 * SECOND), None);
    store.rotate(op(), session.key, session.presented, &rotation, &Change::new().set("cart", "[7]")).await.unwrap();
    let dump = place.content().await.join("\n");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(dump.contains(&hex(session.key.as_bytes())) && dump.contains("cart"), "the session is in the dump");
    for session in [&session, &next] {
        let text = KeyRing::new(Key::from_bytes([7; 32]).unwrap()).for_purpose("cookie:id").seal(&session.credential);
        let raw = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for secret in [&raw[5..21], &raw[21..37]] {
            assert!(!dump.contains(&hex(secret)));
        }
        assert!(!dump.contains(&text));
    }
}

async fn is_left_alone(break_it: &str, kind: ErrorKind, end_too: bool) {
    let place = Place::new(SERVER.get().as_ref().unwrap());
    let store = place.store().await;
    let session = Session::create_for(&store, Some("ann")).await;
    let (key, by) = (session.key, session.presented);
    session.apply(&store, &Change::new().set("a", "1")).await;
    place.run(break_it).await;
    let before = place.content().await;

    let change = Change { max_size: 1, ..Change::new().set("b", "2").expect("a", FieldVersion::ABSENT) };
    let (_, rotation) = session.rotation(None, Some("ann"));
    let renewal = Some(Renewal { idle_deadline: op().now + 900 * SECOND, issued: op().now });
    assert_eq!(session.load(&store).await, Loaded::Unreadable(kind), "{break_it}");
    assert_eq!(session.apply(&store, &change).await, Applied::Unreadable(kind), "{break_it}");
    let rotated = store.rotate(op(), key, by, &rotation, &change).await.unwrap();
    assert_eq!(rotated, Rotated::Refused(Applied::Unreadable(kind)), "{break_it}");
    let locked = store.update_locked(op(), key, by, &mut |_: &Fields| panic!("nothing to decide on")).await.unwrap();
    assert_eq!(locked, Some(Applied::Unreadable(kind)), "{break_it}");
    assert_eq!(store.create(op(), key, &session.record(None, Fields::default())).await.unwrap(), Created::Exists, "{break_it}");
    if end_too {
        let error = store.end(op(), key, Some(by), op().now + 900 * SECOND).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{break_it}");
        assert_eq!(store.load(op(), key, by, renewal).await.unwrap(), Loaded::Unreadable(kind), "{break_it}");
        let index = store.principal_index().unwrap();
        let error = index.end_others(op(), "ann", None, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), kind, "what was not ended is told: {break_it}");
        assert_eq!(index.end_others(op(), "ann", Some(key), SECOND).await.unwrap(), 0, "{break_it}");
        let far = op().now + 900_000 * SECOND;
        assert_eq!(store.sweep(OpCtx { now: far, deadline: far + 10 * SECOND, ..op() }, 9).await.unwrap(), 0);
    }
    assert_eq!(place.content().await, before, "{break_it}");
}

#[tokio::test]
async fn records_of_a_newer_release_are_left_alone() {
    let _ = require_server!(SERVER.get());
    is_left_alone("UPDATE unstick_sessions SET format = 2", ErrorKind::UnknownFormat, true).await;
    is_left_alone("UPDATE unstick_sessions SET format = 2, fields = '[7]', applied = 'null', secret = ''", ErrorKind::UnknownFormat, true)
        .await;
}

#[tokio::test]
async fn damaged_records_are_left_alone() {
    let _ = require_server!(SERVER.get());
    for break_it in [
        "UPDATE unstick_sessions SET fields = '{\"a\":5}'",
        "UPDATE unstick_sessions SET fields = '{\"a\":[\"x\",\"y\"]}'",
        "UPDATE unstick_sessions SET fields = '[]'",
        "UPDATE unstick_sessions SET fields = 'null'",
        "UPDATE unstick_sessions SET applied = '\"none\"'",
        "UPDATE unstick_sessions SET applied = '{\"x\":\"y\"}'",
    ] {
        is_left_alone(break_it, ErrorKind::Corrupt, false).await;
    }
}

#[tokio::test]
async fn values_of_earlier_releases_are_read() {
    let place = Place::new(require_server!(SERVER.get()));
    let store = place.store().await;
    let session = Session::create(&store).await;
    place.run(r#"UPDATE unstick_sessions SET fields = '{"text":[9007199254740991,"j{\"a\":1}"],"bytes":[1,"b/wAB"]}'"#).await;
    let fields = session.fields(&store).await;
    assert_eq!(fields.get("text").unwrap().value, "{\"a\":1}");
    assert_eq!(fields.version("text").as_u64(), (1 << 53) - 1);
    assert_eq!(fields.get("bytes").unwrap().value.as_ref(), [0xff, 0, 1]);
    let exact = Change::new().set("text", "2").expect("text", fields.version("text"));
    assert!(session.apply(&store, &exact).await.is_done());
}

#[tokio::test]
async fn what_the_database_cannot_hold_is_refused_and_nothing_changed() {
    let place = Place::new(require_server!(SERVER.get()));
    let store = place.store().await;
    let session = Session::create(&store).await;
    let change = Change::new().set("fine", "1").set("a\0b", "1");
    let error = store.apply(op(), session.key, session.presented, &change).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Codec, "{error}");
    let stranger = Session::new();
    let error = store.create(op(), stranger.key, &stranger.record(Some("a\0"), Fields::default())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Codec, "{error}");
    let endless: String = (0..4000_u32).map(|n| char::from_u32(0x4e00 + n * 7919 % 20_000).unwrap()).collect();
    let error = store.create(op(), stranger.key, &stranger.record(Some(&endless), Fields::default())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(session.fields(&store).await.is_empty());
    assert_eq!(stranger.load(&store).await, Loaded::Missing);
}

#[tokio::test]
async fn a_principal_is_never_taken_for_sql() {
    let place = Place::new(require_server!(SERVER.get()));
    let store = place.store().await;
    let index = store.principal_index().unwrap();
    let name = "'); DROP TABLE x; -- \\ \" $1 ' || \u{1f980}";
    let session = Session::create_for(&store, Some(name)).await;
    let place_for = Session::new().key;
    let until = op().now + 60 * SECOND;
    assert_eq!(index.reserve(op(), name, place_for, std::num::NonZeroU32::MIN, until).await.unwrap(), Reservation::Full);
    assert_eq!(index.end_others(op(), name, None, SECOND).await.unwrap(), 1);
    assert!(matches!(session.load(&store).await, Loaded::Ended { .. }));
}

#[tokio::test]
async fn errors_name_neither_ids_nor_values() {
    let place = Place::new(require_server!(SERVER.get()));
    let store = place.store().await;
    let session = Session::create(&store).await;
    place.run("ALTER TABLE unstick_sessions ADD CONSTRAINT c CHECK (fields = '{}')").await;
    let change = Change::new().set("visible-name", "visible-value");
    let refused = store.apply(op(), session.key, session.presented, &change).await.unwrap_err();
    place.run("ALTER TABLE unstick_sessions RENAME TO unstick_hidden").await;
    let missing = store.apply(op(), session.key, session.presented, &change).await.unwrap_err();
    assert!(missing.to_string().contains("missing"), "{missing}");
    for error in [refused, missing] {
        let mut text = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text.push_str(&format!(" {cause} {cause:?}"));
            source = cause.source();
        }
        let key = session.key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert!(!text.contains("visible") && !text.to_lowercase().contains(&key) && text.contains("SQLSTATE"), "{text}");
    }
    let rows = place.rows("SELECT fields::text FROM unstick_hidden").await;
    assert_eq!(rows[0].get::<String, _>(0), "{}");
}
