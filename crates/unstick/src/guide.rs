//! What is too long for the front page.
//!
//! | guide | question |
//! |---|---|
//! | [`affinity`] | how to turn sticky sessions off, step by step |
//! | [`capacity`] | how many nodes, sessions and requests: the arithmetic, up to 50 000 nodes and a billion sessions |
//! | [`choose_a_store`] | which backend for whom |
//! | [`compare`] | what other session crates do, side by side |
//! | [`disappearing`] | sessions disappear: which of six causes it is, and what to do about each |
//! | [`migrate_tower_sessions`] | from tower-sessions to unstick, without logging anyone out |
//! | `one_truth` (feature `cache`) | how to get from a cache in each process to one truth on every node |
//! | [`operations`] | keys, deploys, rollbacks, backups, upgrades, alarms, traces |
//! | [`outages`] | what happens when the store hangs, dies, forgets or cannot be reached |
//! | [`security`] | what an attacker can and cannot do, each with the test that shows it |
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! // The deadline that the guide on outages speaks of.
//! use std::time::Duration;
//! use unstick::{Key, KeyRing, memory::MemoryStore, session::SessionLayer};
//!
//! let keys = KeyRing::new(Key::generate().unwrap());
//! let layer = SessionLayer::new(MemoryStore::new(), keys).deadline(Duration::from_secs(1)).build();
//! assert!(layer.is_ok());
//! # }
//! ```

#[doc = include_str!("../docs/affinity.md")]
pub mod affinity {}

#[doc = include_str!("../docs/capacity.md")]
pub mod capacity {}

#[doc = include_str!("../docs/choose_a_store.md")]
pub mod choose_a_store {}

#[doc = include_str!("../docs/compare.md")]
pub mod compare {}

#[doc = include_str!("../docs/disappearing.md")]
pub mod disappearing {}

#[doc = include_str!("../docs/migrate_tower_sessions.md")]
pub mod migrate_tower_sessions {}

#[doc = include_str!("../docs/operations.md")]
pub mod operations {}

#[doc = include_str!("../docs/outages.md")]
pub mod outages {}

#[doc = include_str!("../docs/security.md")]
pub mod security {}

#[cfg(feature = "cache")]
#[doc = include_str!("../docs/one_truth.md")]
pub mod one_truth {}
