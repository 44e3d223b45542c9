//! Starting: several nodes at once, on a newer schema, without rights, and everything that must be refused with one sentence.

use std::time::Duration;

use unstick_core::*;
use unstick_sql::{
    postgres::{PostgresStore, SCHEMA},
    sqlx::{self, PgPool, Row, postgres::PgPoolOptions},
};
use unstick_testkit::require_server;

use crate::common::{
    Session, is_reached_by_ipv6, op,
    postgres::{Place, SERVER},
};

fn tells(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "{word:?} is not in: {sentence}");
    }
    assert!(!sentence.contains('\n') && !sentence.ends_with('.') && !sentence.contains("secret"), "{sentence}");
}

async fn refused(address: &str, words: &[&str]) {
    tells(&PostgresStore::connect(address).await.unwrap_err().to_string(), words);
}

#[tokio::test]
async fn what_cannot_work_is_one_sentence() {
    let server = require_server!(SERVER.get());
    let url = server.url();
    refused(&url.replace(":secret@", ":topsecret@"), &["\"app\"", "refused the user name or the password"]).await;
    refused(&format!("{}/none", url.rsplit_once('/').unwrap().0), &["\"none\"", "does not exist"]).await;
    refused("postgres://app:secret@127.0.0.1:1/app", &["127.0.0.1:1", "cannot be reached"]).await;
    refused(&format!("{url}?prefix=a;b"), &["`prefix`", "a;b"]).await;
    refused(&format!("{url}?max_connection=1"), &["max_connection", "max_connections, "]).await;
    refused(&format!("{url}?max_connections=0"), &["`max_connections`", "at least 1"]).await;
    refused(&format!("{url}?max_connections=3&min_connections=4"), &["`min_connections`", "at most `max_connections`, which is 3"]).await;
    refused(&format!("{url}?connect_timeout_ms=0"), &["`connect_timeout`", "over 0"]).await;
    refused(&format!("{url}?acquire_timeout_ms=x"), &["`acquire_timeout_ms`", "whole number"]).await;
    refused(&format!("{url}?sslmode=perhaps"), &["postgres://user:password@"]).await;
    refused("sqlite:secret.db", &["postgres://"]).await;
    let other = format!("{url}?options=-c%20default_transaction_isolation%3Dserializable&statement_timeout_ms=0");
    refused(&other, &["serializable", "read committed"]).await;
    server.sql("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").unwrap();
    refused(&format!("{}/latin", url.rsplit_once('/').unwrap().0), &["LATIN1", "UTF8"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_at_once_all_start() {
    let server = require_server!(SERVER.get());
    for _ in 0..5 {
        let place = Place::new(server);
        let starts = (0..5).map(|_| tokio::spawn(place.builder().connect())).collect::<Vec<_>>();
        for start in starts {
            start.await.unwrap().unwrap();
        }
        assert_eq!(place.number("SELECT count(*) FROM unstick_schema").await, i64::try_from(SCHEMA.len()).unwrap());
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let place = Place::new(require_server!(SERVER.get()));
    drop(place.store().await);
    place.run("INSERT INTO unstick_schema (version) VALUES (9)").await;
    tells(&place.builder().connect().await.unwrap_err().to_string(), &["schema 9", "start the newer release"]);
    assert_eq!(place.number("SELECT max(version) FROM unstick_schema").await, 9);
}

#[tokio::test]
async fn a_user_without_the_right_to_create_uses_what_is_there() {
    let server = require_server!(SERVER.get());
    let url = server.fresh_database();
    let database = url.rsplit_once('/').unwrap().1.to_owned();
    server.sql(&database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE guest LOGIN PASSWORD 'secret'").unwrap();
    let guest = url.replace("app:secret@", "guest:secret@");
    let connect = |builder: unstick_sql::postgres::PostgresStoreBuilder| async move { builder.connect().await };
    // the server asks only the user `app` for a password
    tells(&connect(PostgresStore::builder(&guest)).await.unwrap_err().to_string(), &["grant CREATE", "existing_tables"]);
    tells(&connect(PostgresStore::builder(&guest).existing_tables()).await.unwrap_err().to_string(), &["no tables", "schema files"]);
    for (at, file) in SCHEMA.iter().enumerate() {
        assert!(file.name.starts_with(&format!("{:04}_", file.version)) && file.version == i64::try_from(at).unwrap() + 1);
        server.sql(&database, file.sql).unwrap();
    }
    tells(&connect(PostgresStore::builder(&guest)).await.unwrap_err().to_string(), &["grant"]);
    server.sql(&database, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest").unwrap();
    for builder in [PostgresStore::builder(&guest), PostgresStore::builder(&guest).existing_tables()] {
        let store = connect(builder.sweep_interval(Duration::ZERO)).await.unwrap();
        let session = Session::create_for(&store, Some("ann")).await;
        assert!(session.apply(&store, &Change::new().set("n", "1")).await.is_done());
        assert_eq!(store.principal_index().unwrap().end_others(op(), "ann", None, Duration::ZERO).await.unwrap(), 1);
        assert_eq!(store.sweep(op(), 9).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_address_sets_what_it_says() {
    let server = require_server!(SERVER.get());
    let address =
        format!("{}?prefix=shop_&max_connections=2&sweep_interval_s=0&statement_timeout_ms=3000&application_name=shop", server.url());
    let store = PostgresStore::connect(&address).await.unwrap();
    let session = Session::create(&store).await;
    let again = PostgresStore::builder(&server.url()).prefix("shop_").existing_tables().connect().await.unwrap();
    assert!(session.fields(&again).await.is_empty());
    assert_eq!((store.scope(), store.name()), (Scope::Shared, "postgres"));
    let debug = format!("{store:?} {:?}", PostgresStore::builder(&address));
    assert!(!debug.contains("secret"), "{debug}");
    let named = server.sql("app", "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'shop'").unwrap();
    assert_eq!(named.trim(), "t");
}

#[tokio::test]
async fn two_applications_share_a_database() {
    let server = require_server!(SERVER.get());
    let (one, two) = (Place::new(server), Place::new(server));
    let (first, second) = (one.store().await, two.store().await);
    let session = Session::create_for(&first, Some("ann")).await;
    assert!(matches!(session.load(&first).await, Loaded::Live(_)));
    assert_eq!(session.load(&second).await, Loaded::Missing);
    assert_eq!(second.principal_index().unwrap().end_others(op(), "ann", None, Duration::ZERO).await.unwrap(), 0);
    assert_eq!(first.principal_index().unwrap().list(op(), "ann").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_pool_of_the_applications_own() {
    let server = require_server!(SERVER.get());
    let pool = PgPool::connect(&server.fresh_database()).await.unwrap();
    let store = PostgresStore::from_pool(pool.clone()).await.unwrap();
    let session = Session::create(&store).await;
    assert!(session.apply(&store, &Change::new().set("n", "1")).await.is_done());
    assert_eq!(session.number(&store, "n").await, 1);
    drop(store);
    let count: i64 = sqlx::query("SELECT count(*) FROM unstick_sessions").fetch_one(&pool).await.unwrap().get(0);
    assert_eq!(count, 1, "the pool stays the application's");
}

#[tokio::test]
async fn a_closed_or_used_up_store_is_unavailable() {
    let place = Place::new(require_server!(SERVER.get()));
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(500)).connect(&place.url).await.unwrap();
    let store = PostgresStore::builder("").prefix(&place.prefix).connect_pool(pool.clone()).await.unwrap();
    let session = Session::create(&store).await;
    let held = loop {
        if let Some(held) = pool.try_acquire() {
            break held;
        }
        tokio::task::yield_now().await;
    };
    let error = store.load(op(), session.key, session.presented, None).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::Unavailable, false), "{error}");
    drop(held);
    store.close().await;
    let error = store.load(op(), session.key, session.presented, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(session.fields(&place.store().await).await.is_empty(), "a restart finds it");
}

#[tokio::test]
async fn an_ipv6_address_is_reached() {
    is_reached_by_ipv6("postgres://app:secret@[::1]:PORT/app", async |address| PostgresStore::connect(&address).await).await;
}
