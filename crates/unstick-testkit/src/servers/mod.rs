//! Real servers for tests (and load balancers: [`balancer`]), on free loopback ports with throwaway data, and a proxy that breaks connections.
//!
//! Everything here blocks the thread, so that it can be called where nothing can be awaited: in the initialiser of a `static`, for one.
//! In asynchronous tests on one thread use `spawn_blocking` where other tasks must go on.
//!
//! No server outlives the process that started it, even if that is killed. Waits are bounded: what takes longer than a minute has failed.
//!
//! ```no_run
//! use unstick_testkit::{require_server, servers::RedisServer};
//!
//! fn a_crash_loses_what_was_not_written() {
//!     let redis = require_server!(RedisServer::builder().appendonly().start());
//!     redis.command(&["SET", "a", "1"]).unwrap();
//!     redis.kill();
//!     assert!(redis.command(&["GET", "a"]).is_err());
//!     redis.restart();
//!     assert_eq!(redis.command(&["GET", "a"]).unwrap().text(), "1");
//! }
//! a_crash_loses_what_was_not_written();
//! ```

pub mod balancer;
mod control;
pub(crate) mod dir;
mod error;
mod mariadb;
pub(crate) mod ports;
mod postgres;
pub(crate) mod process;
pub(crate) mod program;
mod proxy;
mod redis;
mod require;
mod wait;

pub(crate) use ports::free_port;

pub use error::StartError;
pub use mariadb::{MariaDbOptions, MariaDbServer};
pub use postgres::{PostgresOptions, PostgresServer};
pub use proxy::{Counts, Direction, Mode, Proxy};
pub use redis::{CommandCounts, Info, Monitor, RedisCluster, RedisOptions, RedisSentinel, RedisServer, Reply, SeenCommand, slot_of};
pub use require::{Outcome, Shared, missing, skip};
pub use wait::poll;
