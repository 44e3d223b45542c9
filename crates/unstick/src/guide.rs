//! What is too long for the front page.
//!
//! | guide | question |
//! |---|---|
//! | [`affinity`] | how to turn sticky sessions off, step by step |
//! | [`disappearing`] | sessions disappear: which of six causes it is, and what to do about each |
//! | `one_truth` (feature `cache`) | how to get from a cache in each process to one truth on every node |
//! | [`outages`] | what happens when the store hangs, dies, forgets or cannot be reached |
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

#[doc = include_str!("../docs/disappearing.md")]
pub mod disappearing {}

#[doc = include_str!("../docs/outages.md")]
pub mod outages {}

#[cfg(feature = "cache")]
#[doc = include_str!("../docs/one_truth.md")]
pub mod one_truth {}
