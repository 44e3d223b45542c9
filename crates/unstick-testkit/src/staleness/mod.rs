//! What clients of several nodes wrote and read, and whether anybody was served something that was too old.
//!
//! A [`Ledger`] takes what was seen from outside, with times of one monotonic clock, and judges it when all is over:
//!
//! - *its own writes*: a request that a client sent after it had the headers of its write's answer gets that version or a newer one;
//! - *the node's own*: after an invalidation has returned on a node, no request to that node gets what was before it;
//! - *others*: what another node invalidated may be served for as long as [`Rules`] allow, and no longer;
//! - *nothing from nowhere*: no version is served that nobody wrote, or before it was written.
//!
//! ```
//! use std::time::Duration;
//! use unstick_testkit::staleness::{Ledger, Read, Rules, Write};
//!
//! let at = Duration::from_millis;
//! let mut ledger = Ledger::default();
//! ledger.wrote(Write { client: 1, key: 7, node: 0, version: 1, sent: at(10), settled: at(20), received: at(21) });
//! ledger.read(Read { client: 2, key: 7, node: 1, version: 0, sent: at(120), received: at(121) });
//! let rules = Rules::new(Duration::from_secs(1));
//! let verdict = ledger.judge(&rules);
//! assert!(verdict.is_sound());
//! assert_eq!(verdict.longest, at(100), "another client, on another node");
//!
//! ledger.read(Read { client: 1, key: 7, node: 1, version: 0, sent: at(22), received: at(23) });
//! assert_eq!(ledger.judge(&rules).own.len(), 1, "the writer itself");
//! ```

mod judge;
mod ledger;
#[cfg(test)]
mod tests;

pub use judge::{Rules, Verdict};
pub use ledger::{Ledger, Read, Write};
