//! The contract of [`Level`](unstick_core::Level) as a suite of cases that any shared cache level can be held to.
//!
//! Implement [`LevelFactory`] and write `unstick_testkit::level_suite!(MyFactory);` in an integration test: it expands to one
//! `#[test]` per case, grouped in modules. [`run_all`] runs them in one call and returns a [`Report`](crate::contract::Report).
//! Each case opens an empty level, and a second handle on it as another node, so cases may run side by side.
//!
//! Time is moved where the level was given [`LevelFactory::clock`], and waited out otherwise: some cases then take a second or two.
//! What must not happen before its time is tried with times that no busy machine gets near to.
//!
//! ```
//! use unstick_testkit::level::{self, BrokenLevels, LevelDefect};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let report = level::run_all(&BrokenLevels::new(LevelDefect::TagsUnchecked)).await;
//! assert!(report.failed().any(|(case, _)| case == "tags::tag_invalidated_during_a_load"), "{report}");
//! # });
//! ```

mod bench;
mod broken;
mod suite;

pub mod concurrency;
pub mod everything;
pub mod keys;
pub mod leases;
pub mod model;
pub mod reading;
pub mod repeats;
pub mod schemas;
pub mod tags;
pub mod values;

pub use bench::{LevelBench, LevelFactory, MINUTE, key, tag, tagged, value};
pub use broken::{BrokenLevel, BrokenLevels, LevelDefect};
pub use suite::{run_all, run_case};
