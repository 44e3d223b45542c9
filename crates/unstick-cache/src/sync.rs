//! What the pure modules need of the standard library, in one place, so that a model checker can put its own in.

pub(crate) use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};
