//! Sessions in a MySQL or MariaDB database, shared by all nodes.
//!
//! | promise | here |
//! |---|---|
//! | scope | [`Scope::Shared`](unstick_core::Scope::Shared): every node that reaches the server |
//! | acknowledged changes | survive; a failure of the server's disk or a failover as far as its replication does |
//! | ended sessions | stay ended, under the same condition |
//! | reading | one statement, two when a renewal is due |
//! | writing | one statement; a second one to learn why nothing matched, to rotate an id in its grace, or to end a session that is missing |
//! | late writes | refused by the statement itself, by the server's own clock after it got the row's lock |
//!
//! Each session is one row. A change is merged into it by the `UPDATE` itself, so that two writers of different fields both
//! survive without a transaction or a retry. (One that names more than 32 fields is merged here, in a transaction that
//! holds the row's lock; [`Change::clear`](unstick_core::Change::clear) is no such case.) The index by principal is a transaction
//! under a lock of the principal's own.
//!
//! Acknowledged changes survive what a commit survives: leave `innodb_flush_log_at_trx_commit` at 1, and let a replica that may be
//! promoted be a semi-synchronous one, or a failover takes the last changes back, logouts included. Give the address of the
//! primary, not of a proxy that sends reads to replicas: what a replica answers may be older than the last logout. On several
//! nodes of a Galera cluster set `wsrep_sync_wait` to 1 for the same reason.
//!
//! # What it needs
//! * MySQL 8.0.19 or MariaDB 10.6 or newer, with InnoDB, `binlog_format` ROW or MIXED where there is a binary log, and without
//!   `sysdate-is-now`: the statements ask for the time after they waited for a lock.
//! * The rights to `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the tables. `CREATE` only for making them: plain SQL files, see
//!   [`SCHEMA`]; a newer schema is refused with a sentence. Nodes that start together take turns.
//! * `max_allowed_packet` above the largest session; larger changes are refused as too large. A principal has at most 1024 bytes.
//! * For a password of `caching_sha2_password`, which is MySQL's default: TLS (the feature `tls`), a unix socket (`socket=`), or
//!   the feature `mysql-rsa` of sqlx, enabled by `sqlx = { version = "0.9", default-features = false, features = ["mysql-rsa"] }`
//!   in your own Cargo.toml. That brings the crate `rsa`, with an advisory of its own, and is not verified by any certificate.
//!
//! # Connections
//! The store bounds every wait by the operation's time, closes a connection that was given up in the middle of a statement, and
//! after one broke tests those that have been idle since before it uses them. A delivery whose connection broke, or that lost a
//! deadlock, is repeated once; operations are idempotent. (An [`end_others`](unstick_core::PrincipalIndex::end_others) that is
//! repeated counts what the second delivery ended.) So a restart of the server costs the requests of the time it takes, and
//! heals by itself. A connection whose server became read-only, as after a failover, is closed, too.
//!
//! Connections are opened beside the operations that wait for them, a few at a time, `min_connections` of them in advance; an
//! operation that gives up waiting does not stop what was begun. As long as the server refuses connections and there is none,
//! one is tried about twice a second, and operations are refused at once. A server that hangs is found out by the operations'
//! deadlines and by `connect_timeout`. An operation spends half of its time at most on waiting for a connection, so give it
//! four times the time of a trip to the server at least: a connection's first statement of a kind takes two trips.
//!
//! Connections of the store's own pool are `READ COMMITTED` and wait 5 seconds at most for a lock. A pool of yours
//! ([`MySqlStore::from_pool`]) may have another isolation, `sql_mode` and time zone; but where
//! `innodb_snapshot_isolation` is on, which is MariaDB's default from 11.6.2, it must be `READ COMMITTED`. Under an isolation above `READ COMMITTED` a new row
//! that waits for another transaction to roll back the same row may go in late; and in a time zone that has daylight saving, a
//! statement that waits for a lock while the clocks are changed may be judged by an hour off: sqlx sets UTC unless told otherwise.
//!
//! # Address
//! [`MySqlStore::connect`] takes `mysql://user:password@host:port/database` (or `mariadb://`) with options: `prefix`,
//! `max_connections`, `min_connections`, `connect_timeout_ms`, `acquire_timeout_ms`, `sweep_interval_s` (0: never), and the
//! driver's: `ssl-mode` (with `ssl-ca`, `ssl-cert`, `ssl-key`) and `socket`. Name `ssl-mode=verify_identity` where the network is
//! not yours.
//!
//! # Example
//! ```no_run
//! use std::time::Duration;
//! use unstick_core::*;
//! use unstick_sql::mysql::MySqlStore;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MySqlStore::connect("mysql://shop:secret@localhost/shop?prefix=shop_").await?;
//! let now = Timestamp::system_now();
//! let credential = Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600))?;
//! let (key, presented) = (credential.lineage().record_key(), Presented::from(&credential));
//! let op = |n| OpCtx { now, deadline: now + Duration::from_secs(2), op_id: OpId::from_u128(n) };
//! let new = NewRecord { secret: presented.secret, principal: None, created: now, fields: Fields::default(),
//!     idle_deadline: credential.idle_deadline(), absolute_deadline: credential.absolute_deadline() };
//! assert_eq!(store.create(op(1), key, &new).await?, Created::Done);
//! assert!(store.apply(op(2), key, presented, &Change::new().set("cart", "[7]")).await?.is_done());
//! let Loaded::Live(session) = store.load(op(3), key, presented, None).await? else { panic!("live") };
//! assert_eq!(session.fields.get("cart").unwrap().value, "[7]");
//! # Ok(()) }
//! ```

mod change;
mod connect;
mod dialect;
mod error;
mod index;
mod numbered;
mod patch;
mod read;
mod schema;
mod session;
mod statements;
mod store;

pub use connect::MySqlStoreBuilder;
pub use schema::SCHEMA;
pub use store::MySqlStore;

pub use crate::SchemaFile;
