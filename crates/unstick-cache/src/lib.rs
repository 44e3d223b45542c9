//! A read-through cache with one truth on every node.

pub mod key;
mod mark;

pub use self::key::{CacheKey, KeyText};
