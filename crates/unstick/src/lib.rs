#![doc = include_str!("../README.md")]

pub mod store;

#[doc(no_inline)]
pub use unstick_core::{Events, Key, KeyRing, Lifetimes, Runtime, Scope};
#[cfg(feature = "memory")]
pub use unstick_memory as memory;
#[cfg(feature = "sqlite")]
pub use unstick_sql as sql;
pub use {unstick_affinity as affinity, unstick_core as core, unstick_session as session};
