//! An invalidation bus over the notifications of PostgreSQL.

mod channel;
mod connect;
mod handle;
mod hearer;
mod link;
mod speaker;
mod transaction;
mod wire;

pub use connect::PostgresBusBuilder;
pub use handle::{PostgresBus, PostgresSubscription};
pub use transaction::NotifyStatement;
pub use wire::LONGEST_PAYLOAD;
