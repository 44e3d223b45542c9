//! Stopping a node so that nobody notices.
//!
//! ```
//! use unstick_affinity::drain::{Drain, Phase};
//!
//! # fn main() -> Result<(), unstick_core::ConfigError> {
//! let drain = Drain::builder().build()?;
//! assert_eq!(drain.phase(), Phase::Serving);
//! drain.begin();
//! assert_eq!(drain.phase(), Phase::Turning);
//! # Ok(()) }
//! ```

mod builder;
mod course;
mod handle;
mod name;
mod outcome;
mod registry;

pub use self::{
    builder::DrainBuilder,
    course::Phase,
    handle::Drain,
    name::name_of,
    outcome::{CutRequest, Drained, InFlight},
};
