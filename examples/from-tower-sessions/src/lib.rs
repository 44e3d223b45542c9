//! From tower-sessions to unstick in three releases: [`old`], [`bridge`], [`new`]. See the README beside this crate.

pub mod bridge;
pub mod moving;
pub mod new;
pub mod old;
