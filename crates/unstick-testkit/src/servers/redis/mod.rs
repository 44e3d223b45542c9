//! Redis servers.

mod options;
mod resp;
mod server;
mod tls;

pub use options::RedisOptions;
pub use resp::Reply;
pub use server::{Info, RedisServer};
