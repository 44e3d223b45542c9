//! Session stores of the unstick family on SQL databases, and a bus for caches on PostgreSQL.
//!
//! | feature | store | scope | acknowledged changes survive |
//! |---|---|---|---|
//! | `sqlite` | `sqlite::SqliteStore` | one host | process death; power loss only with `synchronous = full` |
//! | `postgres` | `postgres::PostgresStore` | shared | what the server's commits survive |
//! | `mysql` | `mysql::MySqlStore` | shared | what the server's commits survive |
//!
//! `postgres::bus` is an invalidation bus for caches, whose notices can be part of the application's transactions.
//!
//! Without a feature this crate is empty. Each dialect is a module of its own with the same files; how a change becomes
//! one statement, and what its promises are, is said there. The `sqlx` crate is re-exported for those who bring their own pool.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod delta;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod engine;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod flow;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod prefix;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod row;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod schema;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod store;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sweeper;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod url;

#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use schema::SchemaFile;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use sqlx;
