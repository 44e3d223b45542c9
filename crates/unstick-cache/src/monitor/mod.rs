//! Measures how consistent the cache is, in production: after an invalidation it compares what this node and the shared level hold
//! with the source, right away and minutes later, and counts.
//!
//! A share of the keys is looked at, the same ones on every node. After an invalidation of one of them, of one of its tags or of
//! everything, made here or heard of from another node, the process, the level and the source are compared after 1 s, 1 min and 5 min.
//! A difference counts only when it is found twice and no further invalidation explains it; then it is an event
//! ([`CacheInconsistent`](unstick_core::EventKind::CacheInconsistent)), too. Run it on every node: each tells of its own process.
//!
//! ```
//! use std::time::Duration;
//! use unstick_cache::Cache;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let prices = Cache::<u64, u32>::local("prices")?.build()?;
//! let monitor = prices.monitor(|_key| async { Ok::<_, std::io::Error>(Some(99)) }).share(1.0).after([Duration::from_millis(1)]).start()?;
//! let load = || async { Ok::<_, std::io::Error>(99) };
//! prices.get_or_load(7, load).await.unwrap();
//! prices.invalidate(&7).await;
//! prices.get_or_load(7, load).await.unwrap();
//! while monitor.report().after[0].process.checked == 0 {
//!     tokio::task::yield_now().await;
//! }
//! assert_eq!(monitor.report().after[0].process.consistent_share(), Some(1.0));
//! # Ok::<(), unstick_core::ConfigError>(()) }).unwrap();
//! ```

mod builder;
mod check;
mod report;
mod watched;

pub(crate) use self::watched::Watch;
pub use self::{
    builder::MonitorBuilder,
    check::Monitor,
    report::{Findings, MonitorReport, Stage},
};
