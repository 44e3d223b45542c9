//! A read-through cache with one truth on every node.

mod applied;
mod distrust;
mod entry;
mod envelope;
mod erased;
mod flight;
mod generations;
mod level;
mod mark;
mod notice;
mod sync;

pub mod cache;
pub mod error;
pub mod key;
pub mod loaded;
pub mod monitor;
pub mod namespace;
pub mod stats;
pub mod writes;

#[doc(inline)]
pub use self::{
    cache::{Cache, CacheBuilder},
    error::{LoadError, LoadErrorKind},
    key::{CacheKey, KeyText},
    loaded::Loaded,
    monitor::{Monitor, MonitorReport},
    namespace::{Confirmation, Invalidated, Invalidation, Namespace, NamespaceBuilder, Reached, Staged},
    stats::{CacheStats, NamespaceStats},
    writes::{Carried, ClientWrites, ReadYourWritesLayer},
};
