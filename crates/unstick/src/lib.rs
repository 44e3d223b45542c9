#![doc = include_str!("../README.md")]

#[cfg(feature = "serde")]
pub mod config;
pub mod guide;
pub mod store;

#[doc(no_inline)]
pub use unstick_core::{Events, Key, KeyRing, Lifetimes, Runtime, Scope};
#[cfg(feature = "memory")]
pub use unstick_memory as memory;
#[cfg(feature = "redis")]
pub use unstick_redis as redis;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use unstick_sql as sql;
#[cfg(feature = "token")]
pub use unstick_token as token;
pub use {unstick_affinity as affinity, unstick_core as core, unstick_session as session};
