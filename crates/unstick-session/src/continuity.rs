//! The continuity rate: of the sessions that should have been there, how many were.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Counts since the layer was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Continuity {
    /// Requests whose session was found.
    pub found: u64,
    /// Requests whose session was lost: authentic, in time, neither record nor tombstone.
    pub lost: u64,
}

impl Continuity {
    /// found / (found + lost); 1 before the first.
    ///
    /// ```
    /// assert_eq!(unstick_session::Continuity { found: 3, lost: 1 }.rate(), 0.75);
    /// assert_eq!(unstick_session::Continuity::default().rate(), 1.0);
    /// ```
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    pub fn rate(&self) -> f64 {
        let all = self.found + self.lost;
        if all == 0 { 1.0 } else { self.found as f64 / all as f64 }
    }
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Counters(Arc<(AtomicU64, AtomicU64)>);

impl Counters {
    pub(crate) fn found(&self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self) {
        self.0.1.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Continuity {
        Continuity { found: self.0.0.load(Ordering::Relaxed), lost: self.0.1.load(Ordering::Relaxed) }
    }
}
