//! Session store of the unstick family on Redis: standalone, Sentinel and Cluster.

mod address;
mod answer;
mod client;
mod connect;
mod entry;
mod error;
mod index;
mod prefix;
mod read;
mod scripts;
mod store;
mod write;

pub use client::{Push, RedisClient, Subscription};
pub use connect::RedisClientBuilder;
pub use store::RedisStore;
