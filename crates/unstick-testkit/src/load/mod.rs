//! Load that does not wait, and what became of it.
//!
//! A client that sends its next request when the last one was answered sends nothing while a server hangs, and so hides the fault. Here a
//! call starts at each tick, whatever happens to those before it.
//!
//! ```
//! use std::time::Duration;
//! use unstick_testkit::load::{Load, OpenLoop};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let schedule = OpenLoop { period: Duration::from_millis(1), total: 20, ..OpenLoop::default() };
//! let load = Load::start(schedule, |n| async move { if n == 7 { Err("odd") } else { Ok(()) } });
//! let record = load.join().await;
//! let report = record.analyse(None, Duration::from_secs(1));
//! assert_eq!((report.calls, report.succeeded, report.errors["odd"]), (20, 19, 1));
//! # });
//! ```

mod analysis;
mod generator;
mod record;

pub use analysis::{Fault, Report};
pub use generator::{Load, OpenLoop};
pub use record::{Call, Record};
