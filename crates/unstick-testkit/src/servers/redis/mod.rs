//! Redis servers.

mod cluster;
mod count;
mod options;
mod resp;
mod sentinel;
mod server;
mod tls;

pub use cluster::{RedisCluster, slot_of};
pub use count::{CommandCounts, Monitor, SeenCommand};
pub use options::RedisOptions;
pub use resp::Reply;
pub use sentinel::RedisSentinel;
pub use server::{Info, RedisServer};
