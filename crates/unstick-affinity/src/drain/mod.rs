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

mod body;
mod builder;
mod course;
mod future;
mod guard;
mod handle;
mod headers;
mod layer;
mod name;
mod outcome;
mod readiness;
mod registry;
#[cfg(feature = "server")]
pub mod serve;
mod service;
#[cfg(feature = "server")]
mod signals;

#[cfg(feature = "server")]
pub use self::serve::{Listener, Serve, serve};
pub use self::{
    body::ResponseBody,
    builder::DrainBuilder,
    course::Phase,
    future::ResponseFuture,
    guard::DrainGuard,
    handle::Drain,
    layer::DrainLayer,
    name::name_of,
    outcome::{CutRequest, Drained, InFlight},
    readiness::Readiness,
    service::DrainService,
};
