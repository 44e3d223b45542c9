//! What the layer needs of a namespace.

use std::{fmt, time::Duration};

use crate::{mark::Mark, namespace::shared::Shared};

/// Where marks are applied: a namespace, or a test's recorder.
pub(crate) trait Site: fmt::Debug + Send + Sync + 'static {
    /// Applies an invalidation that was made elsewhere. Called for every request that brings it; from the second time on it does nothing.
    fn apply(&self, mark: &Mark);

    /// After so long every node is ahead of an invalidation that the level has confirmed, whatever becomes of the bus.
    fn bound(&self) -> Duration;

    /// After so long the level has nothing left of what it held when an invalidation could not be confirmed.
    fn level_bound(&self) -> Duration;
}

impl Site for Shared {
    fn apply(&self, mark: &Mark) {
        self.apply(mark);
    }

    fn bound(&self) -> Duration {
        self.bound()
    }

    fn level_bound(&self) -> Duration {
        self.level_bound()
    }
}
