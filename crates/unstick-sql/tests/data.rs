//! What is in the file: nothing that opens a session, nothing overwritten that cannot be read, nothing left half done.
#![cfg(feature = "sqlite")]

mod common;

use std::{future::Future, task::Poll};

use common::{Place, SECOND, Session, op};
use unstick_core::*;
use unstick_sql::sqlx::Row;

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The lineage and secret inside a sealed credential, and the text itself.
fn secrets(session: &Session) -> (Vec<u8>, Vec<u8>, String) {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let text = KeyRing::new(Key::from_bytes([7; 32]).unwrap()).for_purpose("cookie:id").seal(&session.credential);
    let raw = URL_SAFE_NO_PAD.decode(&text).unwrap();
    let (lineage, secret) = (raw[5..21].to_vec(), raw[21..37].to_vec());
    assert_eq!(SecretHash::from_bytes(blake3::hash(&secret).as_bytes()[..16].try_into().unwrap()), session.presented.secret);
    (lineage, secret, text)
}

#[tokio::test]
async fn a_dump_opens_no_session() {
    let place = Place::new();
    let store = place.store().await;
    let session = Session::create_for(&store, Some("ann")).await;
    let (next, rotation) = session.rotation(Some(30 * SECOND), None);
    store.rotate(op(), session.key, session.presented, &rotation, &Change::new().set("cart", "[7]")).await.unwrap();
    store
        .load(op(), session.key, next.presented, Some(Renewal { idle_deadline: op().now + 700 * SECOND, issued: op().now }))
        .await
        .unwrap();
    let read = || {
        let files = std::fs::read_dir(place.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.flatten().collect::<Vec<u8>>()
    };
    let open = read();
    store.close().await;
    for bytes in [open, read()] {
        assert!(contains(&bytes, session.key.as_bytes()) && contains(&bytes, b"cart"), "the session is in the dump");
        for session in [&session, &next] {
            let (lineage, secret, text) = secrets(session);
            assert!(!contains(&bytes, &lineage) && !contains(&bytes, &secret) && !contains(&bytes, text.as_bytes()));
        }
    }
}

async fn content(place: &Place) -> Vec<String> {
    let sql = "SELECT concat_ws('|', hex(key), format, hex(secret), hex(fields), applied, idle_deadline, ended_at) FROM unstick_sessions ORDER BY 1";
    place.rows(sql).await.iter().map(|row| row.get(0)).collect()
}

async fn is_left_alone(break_it: &'static str, kind: ErrorKind, end_too: bool) {
    let place = Place::new();
    let store = place.store().await;
    let session = Session::create_for(&store, Some("ann")).await;
    let (key, by) = (session.key, session.presented);
    session.apply(&store, &Change::new().set("a", "1")).await;
    place.run(break_it).await;
    let before = content(&place).await;

    let change = Change::new().set("b", "2");
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
    }
    assert_eq!(content(&place).await, before, "{break_it}");
}

#[tokio::test]
async fn records_of_a_newer_release_are_left_alone() {
    is_left_alone("UPDATE unstick_sessions SET format = 2", ErrorKind::UnknownFormat, true).await;
    is_left_alone("UPDATE unstick_sessions SET format = 2, fields = x'00ff', applied = 7", ErrorKind::UnknownFormat, true).await;
}

#[tokio::test]
async fn damaged_records_are_left_alone() {
    for break_it in [
        "UPDATE unstick_sessions SET fields = '{\"a\":'",
        "UPDATE unstick_sessions SET fields = '[]'",
        "UPDATE unstick_sessions SET fields = x'00ff'",
        "UPDATE unstick_sessions SET applied = 'none'",
    ] {
        is_left_alone(break_it, ErrorKind::Corrupt, false).await;
    }
}

#[tokio::test]
async fn errors_name_neither_ids_nor_values() {
    let place = Place::new();
    let store = place.store().await;
    let session = Session::create(&store).await;
    place.run("ALTER TABLE unstick_sessions RENAME TO hidden").await;
    let change = Change::new().set("visible-name", "visible-value");
    let error = store.apply(op(), session.key, session.presented, &change).await.unwrap_err();
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    assert!(source.is_some(), "the engine's own words are the cause");
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    let key = session.key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(!text.contains("visible") && !text.to_lowercase().contains(&key), "{text}");
}

#[tokio::test]
async fn a_locked_update_given_up_at_any_point_leaves_no_transaction() {
    let place = Place::new();
    let store = place.store().await;
    let session = Session::create(&store).await;
    let mut finished = false;
    for polls in 1..200 {
        let mut decide = |_: &Fields| Ok(Change::new().set(&format!("n{polls}"), "1"));
        let mut update = Box::pin(store.update_locked(op(), session.key, session.presented, &mut decide));
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
        // the same connection and another one can both write at once
        assert!(session.apply(&store, &Change::new().set("after", "1")).await.is_done(), "after {polls} polls");
        place.run("BEGIN IMMEDIATE; UPDATE unstick_sessions SET rotated = rotated; COMMIT").await;
        if let Some(answer) = answer {
            assert!(answer.unwrap().unwrap().is_done());
            assert!(session.fields(&store).await.get(&format!("n{polls}")).is_some());
            finished = true;
            break;
        }
    }
    assert!(finished);
    let error = Error::new(ErrorKind::Codec, "no");
    let answer = store.update_locked(op(), session.key, session.presented, &mut |_: &Fields| Err(error.clone())).await;
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Codec, "what `decide` returns is passed on");
    place.run("BEGIN IMMEDIATE; COMMIT").await;
}
