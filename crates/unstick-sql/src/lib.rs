//! Session stores of the unstick family on SQL databases.
//!
//! | feature | store | scope | acknowledged changes survive |
//! |---|---|---|---|
//! | `sqlite` | `sqlite::SqliteStore` | one host | process death; power loss only with `synchronous = full` |
//!
//! Without a feature this crate is empty. Each dialect is a module of its own with the same files; how a change becomes
//! one statement, and what its promises are, is said there. The `sqlx` crate is re-exported for those who bring their own pool.

#[cfg(any(feature = "sqlite", feature = "mysql"))]
mod delta;
#[cfg(feature = "sqlite")]
mod prefix;
#[cfg(any(feature = "sqlite", feature = "mysql"))]
mod row;
#[cfg(feature = "sqlite")]
mod sweeper;
#[cfg(feature = "sqlite")]
mod url;

#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlx;
