//! What an application tells, remembered: events, and series of the `metrics` facade (feature `metrics`).
//!
//! ```
//! use std::sync::Arc;
//! use unstick_core::{EventKind, Events};
//! use unstick_testkit::observe::EventLog;
//!
//! let log = Arc::new(EventLog::default());
//! let events = Events::new("node-1").observer(log.clone());
//! events.emit(EventKind::LoadFailed, None, "timeout");
//! assert_eq!(log.count(EventKind::LoadFailed), 1);
//! assert_eq!(log.all()[0].detail, "timeout");
//! ```

mod log;
#[cfg(feature = "metrics")]
mod series;

pub use log::{EventLog, Seen};
#[cfg(feature = "metrics")]
pub use series::Series;
