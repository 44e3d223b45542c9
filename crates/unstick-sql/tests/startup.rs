//! Starting: on a fresh file, twice at once, on a newer schema, and everything that must be refused with one sentence.
#![cfg(feature = "sqlite")]

mod common;

use std::time::Duration;

use common::{Place, Session, op};
use unstick_core::*;
use unstick_sql::{
    sqlite::{SCHEMA, SqliteStore, Synchronous},
    sqlx::{
        self, Row, SqlitePool,
        sqlite::{SqliteConnectOptions, SqlitePoolOptions},
    },
};

async fn refused(address: &str, words: &[&str]) {
    let sentence = SqliteStore::connect(address).await.unwrap_err().to_string();
    for word in words {
        assert!(sentence.contains(word), "{word:?} is not in: {sentence}");
    }
    assert!(!sentence.contains('\n') && !sentence.ends_with('.'), "{sentence}");
}

#[tokio::test]
async fn what_cannot_work_is_one_sentence() {
    let place = Place::new();
    let directory = place.path().display().to_string();
    refused(&format!("{directory}/none/x.db"), &["none/x.db", "is not a directory; create it"]).await;
    refused(&directory, &[&directory, "is a directory"]).await;
    std::fs::write(place.path().join("text.db"), "this is no database, however long the text is made ".repeat(20)).unwrap();
    refused(&format!("{directory}/text.db"), &["text.db", "not an SQLite database"]).await;
    refused(&format!("sqlite:{directory}/a.db?mode=rw"), &["a.db", "does not exist"]).await;
    refused(&format!("sqlite:{directory}/a.db?mode=ro"), &["`mode`", "rw"]).await;
    refused(&format!("sqlite:{directory}/a.db?synchronous=off"), &["`synchronous`", "full"]).await;
    refused(&format!("sqlite:{directory}/a.db?reader=1"), &["reader", "readers"]).await;
    refused(&format!("sqlite:{directory}/a.db?readers=0"), &["`readers`", "at least 1"]).await;
    refused(&format!("sqlite:{directory}/a.db?busy_timeout_ms=0"), &["`busy_timeout`"]).await;
    refused(&format!("sqlite:{directory}/a.db?prefix=a;b"), &["`prefix`", "a;b"]).await;
    refused("sqlite::memory:", &["memory store"]).await;
    refused("postgres://localhost/x", &["postgres", "sqlite:"]).await;
}

#[tokio::test]
async fn a_file_that_stays_locked_is_told() {
    let place = Place::new();
    place.store().await.close().await;
    let mut holder = place.connection().await;
    sqlx::raw_sql("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE").execute(&mut holder).await.unwrap();
    refused(&format!("sqlite:{}?busy_timeout_ms=20", place.address()), &["sessions.db", "locked by another process"]).await;
}

#[tokio::test]
async fn the_address_sets_what_it_says() {
    let place = Place::new();
    let store =
        SqliteStore::connect(&format!("sqlite:{}?prefix=shop_&synchronous=full&readers=2&sweep_interval_s=0", place.address())).await;
    let session = Session::create(&store.unwrap()).await;
    let store = SqliteStore::builder(&place.address()).prefix("shop_").synchronous(Synchronous::Full).must_exist().connect().await.unwrap();
    assert!(session.fields(&store).await.is_empty());
    assert_eq!((store.scope(), store.name(), store.path()), (Scope::Host, "sqlite", &*place.file()));
    assert_eq!(place.number("SELECT count(*) FROM sqlite_master WHERE name LIKE '%unstick%'").await, 0);
}

#[tokio::test]
async fn two_applications_share_a_file() {
    let place = Place::new();
    let one = SqliteStore::builder(&place.address()).prefix("one_").connect().await.unwrap();
    let two = SqliteStore::builder(&place.address()).prefix("two_").connect().await.unwrap();
    let session = Session::create(&one).await;
    assert!(matches!(session.load(&one).await, Loaded::Live(_)));
    assert_eq!(session.load(&two).await, Loaded::Missing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_that_start_at_once_all_start() {
    for _ in 0..10 {
        let place = Place::new();
        let address = place.address();
        let starts = (0..8).map(|_| tokio::spawn(SqliteStore::builder(&address).readers(1).connect())).collect::<Vec<_>>();
        for start in starts {
            start.await.unwrap().unwrap();
        }
        assert_eq!(place.number("SELECT count(*) FROM unstick_schema").await, i64::try_from(SCHEMA.len()).unwrap());
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let place = Place::new();
    place.store().await.close().await;
    place.run("INSERT INTO unstick_schema (version) VALUES (9)").await;
    refused(&place.address(), &["sessions.db", "schema 9", "start the newer release"]).await;
    assert_eq!(place.number("SELECT max(version) FROM unstick_schema").await, 9);
}

#[tokio::test]
async fn the_files_can_be_run_by_another_tool() {
    let place = Place::new();
    let expecting = || SqliteStore::builder(&place.address()).existing_tables();
    let sentence = expecting().connect().await.unwrap_err().to_string();
    assert!(sentence.contains("no tables") && sentence.contains("schema files"), "{sentence}");
    for (at, file) in SCHEMA.iter().enumerate() {
        assert!(file.name.starts_with(&format!("{:04}_", file.version)) && file.version == i64::try_from(at).unwrap() + 1);
        place.run(file.sql).await;
    }
    Session::create(&expecting().connect().await.unwrap()).await;
}

#[tokio::test]
async fn a_pool_of_the_applications_own() {
    let place = Place::new();
    let options = SqliteConnectOptions::new().filename(place.file()).create_if_missing(true).busy_timeout(Duration::from_millis(500));
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let store = SqliteStore::from_pool(pool.clone()).await.unwrap();
    let session = Session::create(&store).await;
    assert!(session.apply(&store, &Change::new().set("n", "1")).await.is_done());
    assert_eq!(session.number(&store, "n").await, 1);
    drop(store);
    let count: i64 = sqlx::query("SELECT count(*) FROM unstick_sessions").fetch_one(&pool).await.unwrap().get(0);
    assert_eq!(count, 1, "the pool stays the application's");
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let place = Place::new();
    let store = place.store().await;
    let session = Session::create(&store).await;
    store.close().await;
    let error = store.load(op(), session.key, session.presented, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(session.fields(&place.store().await).await.is_empty(), "a restart finds it");
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_nothing_changed() {
    let place = Place::new();
    place.store().await.close().await;
    let options = SqliteConnectOptions::new().filename(place.file()).pragma("max_page_count", "40");
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = SqliteStore::from_pool(pool).await.unwrap();
    let session = Session::create(&store).await;
    assert!(session.apply(&store, &Change::new().set("n", "1")).await.is_done());
    let big = Change::new().set("n", "2").set("big", vec![b'x'; 300_000]);
    let error = store.apply(op(), session.key, session.presented, &big).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("full")), (ErrorKind::Unavailable, true), "{error}");
    assert_eq!((session.number(&store, "n").await, session.fields(&store).await.len()), (1, 1));
    assert!(session.apply(&store, &Change::new().set("n", "3")).await.is_done());
}
