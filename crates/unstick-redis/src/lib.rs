//! Session store of the unstick family on Redis: standalone, Sentinel and Cluster.

mod address;
mod client;
mod connect;

pub use client::{Push, RedisClient, Subscription};
pub use connect::RedisClientBuilder;
