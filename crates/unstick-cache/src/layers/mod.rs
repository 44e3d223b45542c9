//! Layers that use the cache around a whole service.

pub mod invalidation;

pub use self::invalidation::{Invalidates, InvalidationLayer};
