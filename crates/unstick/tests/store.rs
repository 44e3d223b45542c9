//! Stores by URL, as an application asks for them.
#![cfg(all(feature = "memory", feature = "sqlite"))]

use std::time::Duration;

use unstick::{
    Scope,
    core::{Created, Credential, Error, Fields, Loaded, NewRecord, OpCtx, OpId, Presented, Store, Timestamp},
    store::{AnyStore, from_url},
};

/// Creates a session in one store and looks for it in the other; returns what the other one said.
async fn across(one: &AnyStore, other: &AnyStore) -> Result<Loaded, Error> {
    let now = Timestamp::system_now();
    let op = |n| OpCtx { now, deadline: now + Duration::from_secs(5), op_id: OpId::from_u128(n) };
    let credential = Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600))?;
    let (key, presented) = (credential.lineage().record_key(), Presented::from(&credential));
    let new = NewRecord {
        secret: presented.secret,
        principal: None,
        created: now,
        fields: Fields::default(),
        idle_deadline: credential.idle_deadline(),
        absolute_deadline: credential.absolute_deadline(),
    };
    assert_eq!(one.create(op(1), key, &new).await?, Created::Done);
    other.load(op(2), key, presented, None).await
}

#[tokio::test]
async fn a_file_is_shared_and_memory_is_not() {
    let directory = std::env::temp_dir().join(format!("unstick-from-url-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let url = format!("sqlite:{}", directory.join("sessions.sqlite").display());
    let (one, other) = (from_url(&url).await.unwrap(), from_url(&url).await.unwrap());
    assert_eq!((one.scope(), one.principal_index().is_some()), (Scope::Host, true));
    assert!(matches!(across(&one, &other).await.unwrap(), Loaded::Live(_)));
    let (one, other) = (from_url("memory:").await.unwrap(), from_url("memory:").await.unwrap());
    assert_eq!(one.scope(), Scope::Process);
    assert_eq!(across(&one, &other).await.unwrap(), Loaded::Missing);
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn a_foreign_store_is_passed_every_operation() {
    let store = AnyStore::foreign(from_url("memory:?max_sessions=1").await.unwrap());
    assert_eq!((store.scope(), store.name()), (Scope::Process, from_url("memory:").await.unwrap().name()));
    assert!(matches!(across(&store, &store).await.unwrap(), Loaded::Live(_)));
    assert!(across(&store, &store).await.is_err(), "the limit of the inner store");
    let now = Timestamp::system_now();
    let op = OpCtx { now, deadline: now + Duration::from_secs(5), op_id: OpId::from_u128(9) };
    assert_eq!(store.sweep(op, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_refusal_is_one_sentence_with_what_to_write() {
    for (url, advice) in [
        ("memory:path", "write `memory:`"),
        ("memory:?max_sessions=0", "write a number above 0"),
        ("memory:?max=1", "write `max_sessions`"),
        ("redis://:secret@host", "write `sqlite:PATH`"),
        ("sessions.sqlite", "write `memory:` or `sqlite:PATH`"),
        ("sqlite:", "write `sqlite:"),
        ("sqlite:x.sqlite?colour=red", "colour"),
    ] {
        let error = from_url(url).await.unwrap_err().to_string();
        assert!(error.contains(advice) && !error.contains("secret") && !error.contains('\n'), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_store_can_be_opened_in_a_spawned_task() {
    let opened = tokio::spawn(async { from_url("memory:").await }).await.unwrap();
    assert_eq!(opened.unwrap().scope(), Scope::Process);
}
