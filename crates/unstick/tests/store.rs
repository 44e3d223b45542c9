//! Stores by URL, as an application asks for them.
#![cfg(all(feature = "memory", feature = "sqlite"))]

use std::time::Duration;

use unstick::{
    Key, KeyRing, Scope,
    core::{Created, Credential, Error, Fields, Loaded, NewRecord, OpCtx, OpId, Presented, Store, Timestamp},
    session::SessionLayer,
    store::{AnyStore, Source, from_url, options},
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

async fn store(url: &str) -> AnyStore {
    from_url(url).await.unwrap().into_store().unwrap()
}

#[tokio::test]
async fn a_file_is_shared_and_memory_is_not() {
    let directory = std::env::temp_dir().join(format!("unstick-from-url-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let url = format!("sqlite:{}", directory.join("sessions.sqlite").display());
    let (one, other) = (store(&url).await, store(&url).await);
    assert_eq!((one.scope(), one.principal_index().is_some()), (Scope::Host, true));
    assert!(matches!(across(&one, &other).await.unwrap(), Loaded::Live(_)));
    let (one, other) = (store("memory:").await, store("memory:").await);
    assert_eq!(one.scope(), Scope::Process);
    assert_eq!(across(&one, &other).await.unwrap(), Loaded::Missing);
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn a_foreign_store_is_passed_every_operation() {
    let one = AnyStore::foreign(store("memory:?max_sessions=1").await);
    assert_eq!((one.scope(), one.name()), (Scope::Process, "memory"));
    assert!(matches!(across(&one, &one).await.unwrap(), Loaded::Live(_)));
    assert!(across(&one, &one).await.is_err(), "the limit of the inner store");
    let now = Timestamp::system_now();
    let op = OpCtx { now, deadline: now + Duration::from_secs(5), op_id: OpId::from_u128(9) };
    assert_eq!(one.sweep(op, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_refusal_is_one_sentence_with_what_to_write() {
    for (url, advice) in [
        ("memory:path", "write `memory:`"),
        ("memory:?max_sessions=0", "write a number above 0"),
        ("memory:?max=1", "write `max_sessions`"),
        ("valkey://:secret@host", "write `redis:`"),
        ("REDIS://:secret@host", "write `redis:`"),
        ("secret:memory", "write `memory:`"),
        ("sessions.sqlite", "write `memory:`, `sqlite:PATH`"),
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

fn keys() -> KeyRing {
    KeyRing::new(Key::generate().unwrap())
}

#[tokio::test]
async fn one_line_builds_every_layer() {
    for (url, scope, name) in [
        ("memory:", Scope::Process, "memory"),
        ("token:", Scope::Client, "token"),
        ("token:?sealing=signed", Scope::Client, "token"),
        ("token:?revocations=memory%3A", Scope::Process, "token"), // where a session is ended, no other process learns of it
    ] {
        if cfg!(not(feature = "token")) && name == "token" {
            continue;
        }
        let source = from_url(url).await.unwrap();
        assert_eq!(source.scope(), scope, "{url}");
        let layer = SessionLayer::new(source, keys()).build().unwrap();
        assert_eq!((layer.scope(), layer.backend_name()), (scope, name), "{url}");
    }
    let own = Source::from(AnyStore::foreign(store("memory:").await));
    assert_eq!(SessionLayer::new(own, keys()).build().unwrap().backend_name(), "memory");
    let source = options("memory:").open().await.unwrap();
    assert_eq!(source.store().map(Store::name), Some("memory"));
}

#[cfg(feature = "token")]
mod token {
    use super::*;

    #[tokio::test]
    async fn a_token_is_no_store() {
        let token = from_url("token:").await.unwrap();
        assert!(token.store().is_none());
        let refusal = token.into_store().unwrap_err().to_string();
        assert!(refusal.contains("SessionLayer::new"), "{refusal}");
    }

    #[tokio::test]
    async fn its_options_reach_the_backend() {
        let layer = |url: &'static str| async move { SessionLayer::new(from_url(url).await.unwrap(), keys()) };
        let large = layer("token:?max_token=3500").await.build().unwrap_err().to_string();
        assert!(large.contains("header_budget"), "{large}");
        assert!(layer("token:?max_token=3500").await.header_budget(4500).build().is_ok());
        assert!(layer("token:?revocations=memory%3A&fail_open=yes&issuer=shop&purpose=cart").await.build().is_ok());
        let limited = layer("token:").await.max_sessions_per_principal(std::num::NonZeroU32::MIN).build().unwrap_err().to_string();
        assert!(limited.contains("`max_sessions_per_principal` and `token:`"), "{limited}");
        for (url, advice) in [
            ("token:x", "write `token:`"),
            ("token:?sealing=wax", "write `sealing=encrypted`"),
            ("token:?fail_open=yes", "`revocations`"),
            ("token:?fail_open=1&revocations=memory%3A", "write `yes` or `no`"),
            ("token:?revocations=token%3A", "the URL of a store"),
            ("token:?revocations=secret", "write `memory:`"),
            ("token:?colour=red", "no option `colour`"),
        ] {
            let error = from_url(url).await.unwrap_err().to_string();
            assert!(error.contains(advice) && !error.contains("secret"), "{url}: {error}");
        }
    }
}

/// Nobody listens there: the sentence says so, and neither password nor options.
#[tokio::test]
async fn a_server_that_is_away_is_told_without_its_password() {
    for url in [
        #[cfg(feature = "redis")]
        "redis://user:hunter2@127.0.0.1:9?connect_timeout_ms=100",
        #[cfg(feature = "redis")]
        "redis-sentinel://:hunter2@127.0.0.1:9/main?connect_timeout_ms=100&sentinel_password=hunter2",
        #[cfg(feature = "redis")]
        "redis-cluster://:hunter2@127.0.0.1:9?connect_timeout_ms=100",
        #[cfg(feature = "postgres")]
        "postgres://user:hunter2@127.0.0.1:9/shop",
        #[cfg(feature = "mysql")]
        "mysql://user:hunter2@127.0.0.1:9/shop",
        #[cfg(feature = "mysql")]
        "mariadb://user:hunter2@127.0.0.1:9/shop",
    ] {
        let error = from_url(url).await.unwrap_err();
        let told = format!("{error} {error:?} {:?}", options(url));
        assert!(!told.contains("hunter2") && told.contains("127.0.0.1:9"), "{told}");
    }
}
