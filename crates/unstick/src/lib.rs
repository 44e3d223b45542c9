#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cache")]
pub mod bus;
#[cfg(feature = "serde")]
pub mod config;
pub mod guide;
#[cfg(feature = "cache")]
pub mod level;
#[cfg(any(feature = "cache", feature = "memory", feature = "token", test))]
mod query;
pub mod store;
mod url;

#[cfg(feature = "cache")]
pub use unstick_cache as cache;
#[doc(no_inline)]
pub use unstick_core::{Events, Key, KeyRing, Lifetimes, Runtime, Scope};
#[cfg(feature = "memory")]
pub use unstick_memory as memory;
#[cfg(feature = "redis")]
pub use unstick_redis as redis;
#[cfg(feature = "replicated")]
pub use unstick_replicated as replicated;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use unstick_sql as sql;
#[cfg(feature = "token")]
pub use unstick_token as token;
pub use {unstick_affinity as affinity, unstick_core as core, unstick_session as session};
