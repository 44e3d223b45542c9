//! Starting: several nodes at once, on a newer schema, without rights, and everything that must be refused with one sentence.

use std::time::Duration;

use unstick_core::*;
use unstick_sql::{
    mysql::{MySqlStore, MySqlStoreBuilder, SCHEMA},
    sqlx::{self, MySqlPool, Row, mysql::MySqlPoolOptions},
};
use unstick_testkit::{require_server, servers::MariaDbServer};

use crate::common::{
    Session, is_reached_by_ipv6,
    mysql::{Place, SERVER, url},
    op,
};

fn tells(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "{word:?} is not in: {sentence}");
    }
    assert!(!sentence.contains('\n') && !sentence.ends_with('.') && !sentence.contains("secret"), "{sentence}");
}

async fn refused(address: &str, words: &[&str]) {
    tells(&MySqlStore::connect(address).await.unwrap_err().to_string(), words);
}

#[tokio::test]
async fn what_cannot_work_is_one_sentence() {
    let server = require_server!(SERVER.get());
    let url = server.url();
    let base = url.rsplit_once('/').unwrap().0;
    refused(&url.replace(":secret@", ":topsecret@"), &["`app`", "refused user and password"]).await;
    refused(&format!("{base}/none"), &["`none`", "does not exist"]).await;
    refused(base, &["names no database", "mysql://user:password@host/database"]).await;
    refused("mysql://app:secret@127.0.0.1:1/app", &["127.0.0.1:1", "cannot be reached"]).await;
    refused(&format!("{url}?prefix=a;b"), &["`prefix`", "a;b"]).await;
    refused(&format!("{url}?max_connection=1"), &["max_connection", "max_connections, "]).await;
    refused(&format!("{url}?max_connections=0"), &["`max_connections`", "at least 1"]).await;
    refused(&format!("{url}?max_connections=3&min_connections=4"), &["`min_connections`", "at most `max_connections`, which is 3"]).await;
    refused(&format!("{url}?connect_timeout_ms=0"), &["`connect_timeout`", "over 0"]).await;
    refused(&format!("{url}?charset=latin1"), &["charset", "known are"]).await;
    refused(&format!("{url}?ssl-mode=perhaps"), &["mysql://user:password@"]).await;
    refused("sqlite:secret.db", &["mysql://"]).await;
}

#[tokio::test]
async fn sessions_that_the_statements_cannot_work_in_are_refused() {
    let place = Place::new(url!());
    for (setting, words) in
        [("SET SESSION autocommit = 0", ["`autocommit`", "switch it on"]), ("SET NAMES latin1", ["utf8mb4", "character set"])]
    {
        let pool = MySqlPoolOptions::new().after_connect(move |connection, _| {
            Box::pin(async move { sqlx::Executor::execute(connection, sqlx::raw_sql(setting)).await.map(drop) })
        });
        let pool = pool.connect(&place.url).await.unwrap();
        tells(&MySqlStore::from_pool(pool).await.unwrap_err().to_string(), &words);
    }
}

/// Writers of one session would get in each other's way: MariaDB answers 1020 to whoever waited.
#[tokio::test]
async fn snapshot_isolation_is_refused() {
    let server = require_server!(SERVER.get());
    let pool = MySqlPoolOptions::new().after_connect(|connection, _| {
        let setting = "SET SESSION innodb_snapshot_isolation = ON; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        Box::pin(async move { sqlx::Executor::execute(connection, sqlx::raw_sql(setting)).await.map(drop) })
    });
    let pool = pool.connect(&server.url()).await.unwrap();
    tells(&MySqlStore::from_pool(pool).await.unwrap_err().to_string(), &["`innodb_snapshot_isolation`", "READ COMMITTED"]);
}

#[tokio::test]
async fn a_server_that_has_no_clock_is_refused() {
    let server = require_server!(MariaDbServer::builder().arg("--sysdate-is-now").start());
    refused(&server.url(), &["sysdate-is-now"]).await;
}

#[tokio::test]
async fn a_server_that_logs_statements_is_refused() {
    let server = require_server!(MariaDbServer::builder().arg("--log-bin").arg("--binlog-format=STATEMENT").start());
    refused(&server.url(), &["`binlog_format`", "ROW or MIXED"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_at_once_all_start() {
    let url = url!();
    for _ in 0..5 {
        let place = Place::new(url.clone());
        let starts = (0..5).map(|_| tokio::spawn(place.builder().connect())).collect::<Vec<_>>();
        for start in starts {
            start.await.unwrap().unwrap();
        }
        assert_eq!(place.number("SELECT count(*) FROM unstick_schema").await, i64::try_from(SCHEMA.len()).unwrap());
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let place = Place::new(url!());
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
    let rights = |rights: &str| format!("GRANT {rights} ON {database}.* TO guest@'127.0.0.1'");
    server.sql(&database, "CREATE USER guest@'127.0.0.1' IDENTIFIED BY 'secret'").unwrap();
    let guest = url.replace("app:secret@", "guest:secret@");
    let connect = |builder: MySqlStoreBuilder| async move { builder.connect().await };
    tells(&connect(MySqlStore::builder(&guest)).await.unwrap_err().to_string(), &["may not be used"]);
    server.sql(&database, &rights("SELECT, INSERT, UPDATE, DELETE")).unwrap();
    tells(&connect(MySqlStore::builder(&guest)).await.unwrap_err().to_string(), &["grant CREATE", "existing_tables"]);
    tells(&connect(MySqlStore::builder(&guest).existing_tables()).await.unwrap_err().to_string(), &["no tables", "schema files"]);
    for (at, file) in SCHEMA.iter().enumerate() {
        assert!(file.name.starts_with(&format!("{:04}_", file.version)) && file.version == i64::try_from(at).unwrap() + 1);
        server.sql(&database, file.sql).unwrap();
    }
    for builder in [MySqlStore::builder(&guest), MySqlStore::builder(&guest).existing_tables()] {
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
        format!("{}?prefix=shop_&max_connections=2&sweep_interval_s=0&ssl-mode=disabled", server.url().replace("mysql://", "mariadb://"));
    let store = MySqlStore::connect(&address).await.unwrap();
    let session = Session::create(&store).await;
    let again = MySqlStore::builder(&server.url()).prefix("shop_").existing_tables().connect().await.unwrap();
    assert!(session.fields(&again).await.is_empty());
    assert_eq!((store.scope(), store.name()), (Scope::Shared, "mysql"));
    let debug = format!("{store:?} {:?}", MySqlStore::builder(&address));
    assert!(!debug.contains("secret"), "{debug}");
}

#[tokio::test]
async fn two_applications_share_a_database() {
    let url = url!();
    let (one, two) = (Place::new(url.clone()), Place::new(url));
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
    let pool = MySqlPool::connect(&server.fresh_database()).await.unwrap();
    let store = MySqlStore::from_pool(pool.clone()).await.unwrap();
    let session = Session::create(&store).await;
    assert!(session.apply(&store, &Change::new().set("n", "1")).await.is_done());
    assert_eq!(session.number(&store, "n").await, 1);
    drop(store);
    let count: i64 = sqlx::query("SELECT COUNT(*) FROM unstick_sessions").fetch_one(&pool).await.unwrap().get(0);
    assert_eq!(count, 1, "the pool stays the application's");
}

#[tokio::test]
async fn a_closed_or_used_up_store_is_unavailable() {
    let place = Place::new(url!());
    let pool = MySqlPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(500)).connect(&place.url).await.unwrap();
    let store = MySqlStore::builder("").prefix(&place.prefix).connect_pool(pool.clone()).await.unwrap();
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

/// A schema run that broke off anywhere is taken up again, and the user's own migration tool may run the files twice.
#[tokio::test]
async fn files_may_be_run_again() {
    let place = Place::new(url!());
    for file in SCHEMA {
        let statements = file.sql.split_inclusive(";\n").collect::<Vec<_>>();
        for broken in 1..statements.len() {
            place.run(&statements[..broken].concat()).await;
        }
    }
    let store = place.store().await;
    assert_eq!(place.number("SELECT COUNT(*) FROM unstick_sweeper").await, 1);
    for file in SCHEMA {
        place.run(file.sql).await;
    }
    assert!(Session::create(&store).await.fields(&store).await.is_empty());
}

#[tokio::test]
async fn an_ipv6_address_is_reached() {
    is_reached_by_ipv6("mysql://app:secret@[::1]:PORT/app", async |address| MySqlStore::connect(&address).await).await;
}
