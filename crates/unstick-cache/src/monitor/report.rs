//! What was found.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What a [`Monitor`](super::Monitor) has found since it was started.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MonitorReport {
    /// By the time that had passed since the invalidation.
    pub after: Vec<Stage>,
    /// Checks that could not be made: the source failed, panicked or took longer than the cache's
    /// [`load_limit`](crate::CacheBuilder::load_limit), the value was invalidated meanwhile, or there were too many.
    pub skipped: u64,
}

/// What was found so long after an invalidation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stage {
    /// How long after.
    pub after: Duration,
    /// In this process.
    pub process: Findings,
    /// In the shared level.
    pub level: Findings,
}

/// Comparisons with the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Findings {
    /// Comparisons made. Nothing held is no comparison.
    pub checked: u64,
    /// Of those: equal to the source.
    pub consistent: u64,
}

impl Findings {
    /// The share that was consistent; `None` before the first comparison.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn consistent_share(&self) -> Option<f64> {
        (self.checked > 0).then(|| self.consistent as f64 / self.checked as f64)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) process: Pair,
    pub(super) level: Pair,
}

#[derive(Debug, Default)]
pub(super) struct Pair {
    checked: AtomicU64,
    consistent: AtomicU64,
}

impl Pair {
    pub(super) fn note(&self, is_consistent: bool) {
        // in this order, so that no reader ever sees more consistent ones than checks
        self.checked.fetch_add(1, Ordering::Release);
        self.consistent.fetch_add(u64::from(is_consistent), Ordering::Release);
    }

    pub(super) fn findings(&self) -> Findings {
        let consistent = self.consistent.load(Ordering::Acquire);
        Findings { checked: self.checked.load(Ordering::Acquire), consistent }
    }
}
