//! Sessions in MySQL or MariaDB.

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
