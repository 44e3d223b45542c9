//! Lifeboats: what users keep while the session backend is down, and what becomes of it. Each test of the table in
//! `unstick_session::lifeboat` is here, under the name that stands there.
//!
//! `broken_merges_…` in the crate itself shows that merges which merge twice, revive, ignore versions or carry principals are caught.

mod config;
mod degraded;
mod edges;
mod hostile;
mod merging;
mod outage;
mod redis;
mod releases;
mod world;
