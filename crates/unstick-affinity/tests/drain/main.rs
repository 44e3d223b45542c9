//! Drains in a time that the tests move.

mod handle;
mod layer;
mod model;
mod readiness;
mod sessions;
mod support;
mod unpinning;
