//! What a drain left behind.

use std::{fmt, time::Duration};

/// A request that is being served. Made by [`Drain::in_flight`](super::Drain::in_flight).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InFlight {
    /// Method and path, as [`name_of`](super::name_of) tells them.
    pub name: String,
    /// How long it has been served.
    pub age: Duration,
}

/// A request that was still being served when the drain ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutRequest {
    /// Method and path, as [`name_of`](super::name_of) tells them.
    pub name: String,
    /// How long it had been served.
    pub age: Duration,
}

/// How a drain ended. Made by [`Drain::finished`](super::Drain::finished).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Requests that ended between the drain's begin and its end.
    pub finished: u64,
    /// Requests that did not, the oldest first.
    pub cut: Vec<CutRequest>,
    /// Pending work and holds that were not done.
    pub pending_left: usize,
}

impl Drained {
    /// Whether everything was awaited.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.cut.is_empty() && self.pending_left == 0
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} finished, {} cut, {} pending left", self.finished, self.cut.len(), self.pending_left)
    }
}
