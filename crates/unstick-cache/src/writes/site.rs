//! What the layer needs of a namespace.

use std::{fmt, time::Duration};

use crate::{mark::Mark, namespace::shared::Shared};

/// Where marks are applied: a namespace, or a test's recorder.
pub(crate) trait Site: fmt::Debug + Send + Sync + 'static {
    /// Applies an invalidation that was made elsewhere. Called for every request that brings it; from the second time on it does nothing.
    fn apply(&self, mark: &Mark);

    /// After so long every node is ahead of an invalidation that level and bus have confirmed, whatever becomes of the bus.
    fn bound(&self) -> Duration;

    /// After so long nothing is left, in the level or in a process, of what was there when an invalidation could not be confirmed.
    fn lifetime(&self) -> Duration;
}

impl Site for Shared {
    fn apply(&self, mark: &Mark) {
        self.apply(mark);
    }

    fn bound(&self) -> Duration {
        self.bound()
    }

    fn lifetime(&self) -> Duration {
        self.lifetime()
    }
}
