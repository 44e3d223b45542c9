//! The contract of [`Store`](unstick_core::Store) as a suite of cases that any store can be held to.
//!
//! Implement [`StoreFactory`] and write `unstick_testkit::contract_suite!(MyFactory);` in an integration test: it expands
//! to one `#[test]` per case, grouped in modules. [`run_all`] runs them in one call and returns a [`Report`].
//! Each case opens an empty store, so cases may run side by side.
//!
//! Cases judge deadlines by handing the store an [`OpCtx::now`](unstick_core::OpCtx::now) of their choice; nothing sleeps.
//! Lateness is judged by the store's own clock, so the store must be given [`StoreFactory::clock`], or the system's.
//!
//! ```
//! use unstick_testkit::{contract, mutants::{BrokenStore, BrokenStores, Defect}};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let report = contract::run_all(&BrokenStores(Defect::NoTombstone)).await;
//! assert!(report.failed().any(|(case, _)| case == "endings::end_leaves_a_tombstone"), "{report}");
//! # });
//! ```

mod bench;
pub(crate) mod outcome;
mod report;
pub(crate) mod run;
mod suite;

pub mod at_hand;
pub mod basics;
pub mod concurrency;
pub mod endings;
pub mod expiry;
pub mod fields;
pub mod lateness;
pub mod principals;
pub mod repeats;
pub mod rotation;
pub mod sweeping;
pub mod values;

pub use bench::{ABSOLUTE, Bench, GRACE, IDLE, MS, SECOND, StoreFactory, Subject};
pub use outcome::{Failure, Outcome, live};
pub use report::Report;
pub use suite::{run_all, run_case};

pub(crate) use outcome::{joined, together};
