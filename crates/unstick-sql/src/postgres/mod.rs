//! Sessions in a PostgreSQL database, shared by all nodes. For caches there is a [`bus`].
//!
//! | promise | here |
//! |---|---|
//! | scope | [`Scope::Shared`](unstick_core::Scope::Shared): every node that reaches the server |
//! | acknowledged changes | survive; a failure of the server's disk or a failover as far as its replication does |
//! | ended sessions | stay ended, under the same condition |
//! | reading | one statement, a renewal included |
//! | writing | one statement; a second one only to learn why nothing matched |
//! | late writes | refused by the statement itself, by the server's own clock after it got the row's lock |
//!
//! Each session is one row. A change is merged into it by the `UPDATE` itself, so that two writers of different fields both
//! survive without a transaction or a retry.
//!
//! Acknowledged changes survive what a commit survives: leave `fsync` and `synchronous_commit` on, and let a standby that
//! may be promoted be a synchronous one, or a failover takes the last changes back, logouts included.
//!
//! # What it needs
//! * PostgreSQL 13 or newer, a database in UTF8, and transactions that are `read committed`, which is the default.
//! * The rights to `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the tables. `CREATE` on the schema only for making them: plain SQL
//!   files, see [`SCHEMA`]; a newer schema is refused with a sentence. Nodes that start together take turns.
//! * Its tables are where the user's `search_path` says.
//!
//! # Connections
//! The store bounds every wait by the operation's time, closes a connection that was given up in the middle of a statement, and
//! after one broke tests those that have been idle since before it uses them. A delivery whose connection broke is repeated once;
//! operations are idempotent. (An [`end_others`](unstick_core::PrincipalIndex::end_others) that is repeated counts what the
//! second delivery ended.) So a restart of the server costs the requests of the time it takes, and heals by itself.
//!
//! Connections are opened beside the operations that wait for them, a few at a time, `min_connections` of them in advance; an
//! operation that gives up waiting does not stop what was begun. As long as the server refuses connections and there is none,
//! one is tried about twice a second, and operations are refused at once. A server that hangs is found out by the operations'
//! deadlines and by `connect_timeout`. An operation spends half of its time at most on waiting for a connection, so give it
//! four times the time of a trip to the server at least: a connection's first statement of a kind takes two trips.
//!
//! Statements are prepared once per connection. Behind pgbouncer that works in session mode, and in transaction mode from 1.21 on
//! with `max_prepared_statements`; set `statement_timeout_ms=0`, or let pgbouncer ignore the start-up parameter `options`.
//!
//! # Address
//! [`PostgresStore::connect`] takes `postgres://user:password@host:port/database` with options: `prefix`, `max_connections`,
//! `min_connections`, `connect_timeout_ms`, `acquire_timeout_ms`, `sweep_interval_s` (0: never), `statement_timeout_ms` (0: the
//! server's), and the driver's: `sslmode` (with `sslrootcert`, `sslcert`, `sslkey`), `host` (a directory: its unix socket), `port`,
//! `dbname`, `user`, `password`, `application_name`, `options`, `statement-cache-capacity`. TLS needs the feature `tls`; name
//! `sslmode=verify-full` where the network is not yours.
//!
//! # Example
//! ```no_run
//! use std::time::Duration;
//! use unstick_core::*;
//! use unstick_sql::postgres::PostgresStore;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::connect("postgres://shop:secret@localhost/shop?prefix=shop_").await?;
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

pub mod bus;
mod connect;
mod error;
mod index;
mod read;
mod schema;
mod statements;
mod store;

pub use bus::{PostgresBus, PostgresBusBuilder};
pub use connect::PostgresStoreBuilder;
pub use schema::SCHEMA;
pub use store::PostgresStore;

pub use crate::SchemaFile;
