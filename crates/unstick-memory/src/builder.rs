//! Settings of the store.

use unstick_core::Runtime;

use crate::MemoryStore;

/// Settings of a [`MemoryStore`]. See the [crate docs](crate) for an example.
#[derive(Debug, Clone)]
#[must_use]
pub struct MemoryStoreBuilder {
    pub(crate) max_sessions: usize,
    pub(crate) runtime: Runtime,
}

impl MemoryStoreBuilder {
    pub(crate) fn new() -> Self {
        Self { max_sessions: 1_000_000, runtime: Runtime::tokio() }
    }

    /// How many sessions there may be. Default one million; an empty session takes about half a kilobyte, and what it holds comes on top.
    ///
    /// At the limit, sessions whose deadline has passed make room; when there are none, creations fail with
    /// [`ErrorKind::Full`](unstick_core::ErrorKind::Full). Tombstones of ended sessions do not count: an end never fails.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// The clock by which late writes are refused. Default [`Runtime::tokio`]; pass the layer's when a test moves time.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Makes the store.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        MemoryStore::from_builder(self)
    }
}
