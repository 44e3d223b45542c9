//! The contract of a store holds in each step, and over nodes of both, but for what two stores cannot do as one.

use unstick::store::migrate::Step::{self, Move, PreferOld};
use unstick_testkit::contract::{self, StoreFactory};

use crate::nodes::Nodes;

/// An administrative end leaves a tombstone in each store, and sweeps count both.
const COUNTED_TWICE: &str = "sweeping::sweep_is_bounded";

/// Nodes of different steps create in different stores. Keys are random: no two nodes create the same one.
const CREATED_TWICE: &str = "basics::parallel_creates_have_one_winner";

/// Never too many, but perhaps too few; `places.rs` holds it to that.
const TOO_FEW: &str = "principals::reserve_is_atomic";

/// One of the two stores here has locks and the other has none; without one, the session layer tries again and again.
#[cfg(all(feature = "sqlite", feature = "redis"))]
const LOCKED_IN_ONE: [&str; 2] = ["concurrency::locked_increments_all_count", "concurrency::locked_update_keeps_the_rules"];

fn holds(nodes: &impl StoreFactory, but_for: &[&str]) {
    let report = std::thread::scope(|scope| {
        // All cases are one future, too large for a test's stack without optimisation.
        let roomy = std::thread::Builder::new().stack_size(64 << 20);
        let run = || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(contract::run_all(nodes))
        };
        roomy.spawn_scoped(scope, run).unwrap().join().unwrap()
    });
    let failed: Vec<&str> = report.failed().map(|(case, _)| case).filter(|case| !but_for.contains(case)).collect();
    assert!(failed.is_empty(), "{failed:?}\n{report}");
}

fn eager(first: Step, second: Step) -> Nodes {
    Nodes::eager(first, second)
}

#[test]
fn in_the_first_step() {
    holds(&eager(PreferOld, PreferOld), &[COUNTED_TWICE]);
}

#[test]
fn in_the_second_step() {
    holds(&eager(Move, Move).in_time(), &[TOO_FEW, COUNTED_TWICE]);
}

#[test]
fn over_nodes_of_both_steps() {
    holds(&eager(PreferOld, Move), &[TOO_FEW, COUNTED_TWICE, CREATED_TWICE]);
    holds(&eager(PreferOld, Move).in_time(), &[TOO_FEW, COUNTED_TWICE, CREATED_TWICE]);
    holds(&eager(Move, PreferOld), &[TOO_FEW, COUNTED_TWICE, CREATED_TWICE]);
}

#[test]
fn with_a_quiet_time() {
    let nodes = Nodes { quiet: std::time::Duration::from_secs(60), ..eager(PreferOld, Move) };
    holds(&nodes, &[TOO_FEW, COUNTED_TWICE, CREATED_TWICE]);
}

#[cfg(all(feature = "sqlite", feature = "redis"))]
mod real {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use unstick::{
        redis::{RedisClient, RedisStore},
        sql::sqlite::SqliteStore,
        store::migrate::Migrate,
    };
    use unstick_testkit::{require_server, servers::RedisServer};

    use super::*;

    /// From a file to a server, a table and keys of its own for each case.
    struct FileToServer {
        url: String,
        path: std::path::PathBuf,
        opened: AtomicU32,
    }

    impl FileToServer {
        async fn node(&self, number: u32, step: Step) -> Migrate<SqliteStore, RedisStore> {
            let old = SqliteStore::builder("").path(&self.path).prefix(&format!("n{number}_")).busy_timeout(Duration::from_secs(20));
            let client = RedisClient::builder(&self.url).prefix(&format!("n{number}:")).connect().await.unwrap();
            let new = RedisStore::new(&client).unwrap();
            Migrate::new(old.connect().await.unwrap(), new, step).quiet(Duration::ZERO)
        }
    }

    impl StoreFactory for FileToServer {
        type Store = Migrate<SqliteStore, RedisStore>;

        async fn open(&self) -> Self::Store {
            self.node(self.opened.fetch_add(1, Ordering::Relaxed) + 1, PreferOld).await
        }

        async fn open_again(&self, _: &Self::Store) -> Option<Self::Store> {
            Some(self.node(self.opened.load(Ordering::Relaxed), Move).await)
        }

        fn sweeps(&self) -> bool {
            false
        }

        fn remembers(&self) -> bool {
            false
        }

        fn ends_in_one_step(&self) -> bool {
            false
        }
    }

    #[test]
    fn from_a_file_to_a_server() {
        let server = require_server!(RedisServer::start());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions.sqlite");
        let stores = FileToServer { url: server.url(), path, opened: AtomicU32::new(0) };
        holds(&stores, &[TOO_FEW, CREATED_TWICE, LOCKED_IN_ONE[0], LOCKED_IN_ONE[1]]);
        unstick_testkit::races::run_seeded(&stores, 200);
    }
}
