//! Sessions in one SQLite file, shared by the processes of one host.
//!
//! | promise | here |
//! |---|---|
//! | scope | [`Scope::Host`](unstick_core::Scope::Host): every process of the host that opens the file |
//! | acknowledged changes | survive the death of processes; a power failure or a crash of the operating system only with [`Synchronous::Full`] |
//! | ended sessions | stay ended, under the same condition |
//! | reading | one statement, a renewal included |
//! | writing | one statement; a second one only to learn why nothing matched |
//! | late writes | refused by the statement itself, by SQLite's own clock after it got the write lock |
//!
//! Each session is one row. A change is merged into it by the `UPDATE` itself, so that two writers of different fields both
//! survive without a transaction or a retry. The file is in WAL mode: one connection writes, the others read meanwhile.
//!
//! Not for files on network filesystems: WAL needs memory shared between the processes, and locks that work.
//!
//! The tables are created by plain SQL files, see [`SCHEMA`]; a newer schema is refused with a sentence.
//!
//! # Address
//! [`SqliteStore::connect`] takes the path of a file, or `sqlite:path` with options: `prefix`, `synchronous` (`normal`, `full`),
//! `readers`, `busy_timeout_ms`, `sweep_interval_s` (0: never), `mode` (`rwc`: create if missing, the default; `rw`: must exist).
//!
//! # Example
//! ```
//! use std::time::Duration;
//! use unstick_core::*;
//! use unstick_sql::sqlite::SqliteStore;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("unstick-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! let store = SqliteStore::connect(&directory.join("sessions.db").display().to_string()).await?;
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
//! # store.close().await; std::fs::remove_dir_all(directory)?;
//! # Ok(()) }
//! ```

mod connect;
mod error;
mod index;
mod read;
mod schema;
mod statements;
mod store;

pub use connect::{SqliteStoreBuilder, Synchronous};
pub use schema::SCHEMA;

pub use crate::SchemaFile;
pub use store::SqliteStore;
