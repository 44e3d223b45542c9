//! The contract of [`Bus`](unstick_core::Bus) as a suite of cases that any bus can be held to.
//!
//! Implement [`BusFactory`] and write `unstick_testkit::bus_contract_suite!(MyFactory);` in an integration test: it expands to one
//! `#[test]` per case, grouped in modules. [`run_all`] runs them in one call, [`run_some`] some of them, and returns a [`Report`](crate::contract::Report). Each case
//! opens buses that nobody else hears, so cases may run side by side.
//!
//! A bus may tell a gap at any time, and a case then tries again: on a busy machine a connection may well be taken for dead. What it must
//! never do is to be silent about a loss.
//!
//! ```
//! use bytes::Bytes;
//! use unstick_core::*;
//! use unstick_testkit::bus::{self, BusFactory};
//!
//! /// Delivers nothing, and says nothing.
//! #[derive(Debug, Clone)]
//! struct Deaf;
//! #[derive(Debug)]
//! struct Silence;
//! impl Subscription for Silence {
//!     async fn next(&mut self) -> Option<BusEvent> { None }
//! }
//! impl Bus for Deaf {
//!     type Subscription = Silence;
//!     async fn publish(&self, _: OpCtx, _: Bytes) -> Result<Published, Error> { Ok(Published::Confirmed) }
//!     async fn subscribe(&self) -> Result<Silence, Error> { Ok(Silence) }
//! }
//! impl BusFactory for Deaf {
//!     type Bus = Deaf;
//!     async fn open(&self, nodes: usize) -> Vec<Deaf> { vec![Deaf; nodes] }
//! }
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let report = bus::run_some(&Deaf, |case| case.starts_with("delivery::")).await;
//! assert!(report.failed().any(|(case, _)| case == "delivery::notices_arrive_in_order"), "{report}");
//! # });
//! ```

mod bench;
mod suite;

pub mod cuts;
pub mod delivery;
pub mod endings;
pub mod proofs;

pub use bench::{Bench, BusFactory, Heard};
pub use suite::{run_all, run_case, run_some};
