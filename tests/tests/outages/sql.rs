//! Databases that hang, die, are started anew, and close connections.

use std::time::Duration;

use unstick_testkit::{
    require_server,
    servers::{MariaDbServer, PostgresServer},
};

use super::{A_WHILE, broken_for};

const AT_ONCE: Duration = Duration::ZERO;

/// The same stories for servers with the same handles.
macro_rules! stories {
    ($module:ident: $server:ident, $name:literal, $cut:ident) => {
        mod $module {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn is_started_anew() {
                let server = require_server!($server::start());
                let fault = concat!($name, " is started anew");
                broken_for(AT_ONCE, fault, &server.fresh_database(), || server.terminate(), || server.restart()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn dies() {
                let server = require_server!($server::start());
                let fault = concat!($name, " is killed and started again after 3 s (SIGKILL)");
                let report = broken_for(A_WHILE, fault, &server.fresh_database(), || server.kill(), || server.restart()).await;
                assert!(report.errors.contains_key("503"), "{report}");
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn hangs() {
                let server = require_server!($server::start());
                let fault = concat!($name, " hangs for 3 s (SIGSTOP, SIGCONT)");
                let report = broken_for(A_WHILE, fault, &server.fresh_database(), || server.stop(), || server.cont()).await;
                assert!(report.errors.contains_key("503"), "{report}");
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn closes_connections() {
                let server = require_server!($server::start());
                let fault = concat!($name, " closes all connections");
                broken_for(AT_ONCE, fault, &server.fresh_database(), || $cut(&server), || {}).await;
            }
        }
    };
}

stories!(postgres: PostgresServer, "PostgreSQL", terminate_backends);
stories!(mariadb: MariaDbServer, "MariaDB", kill_connections);

fn terminate_backends(postgres: &PostgresServer) {
    let cut =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let count: u32 = postgres.sql("postgres", cut).unwrap().trim().parse().unwrap();
    assert!(count > 0, "there were connections to close");
}

fn kill_connections(mariadb: &MariaDbServer) {
    let list = "SELECT id FROM information_schema.processlist WHERE id <> connection_id() AND command <> 'Daemon'";
    let ids = mariadb.sql("mysql", list).unwrap();
    let ids: Vec<u64> = ids.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    assert!(!ids.is_empty(), "there were connections to close");
    for id in ids {
        let _ = mariadb.sql("mysql", &format!("KILL CONNECTION {id}")); // some are gone by now
    }
}
