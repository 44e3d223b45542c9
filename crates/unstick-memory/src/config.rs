//! Settings of the store.

use unstick_core::Runtime;

use crate::MemoryStore;

/// Makes a [`MemoryStore`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MemoryStoreBuilder {
    pub(crate) max_sessions: usize,
    pub(crate) runtime: Runtime,
}

impl Default for MemoryStoreBuilder {
    fn default() -> Self {
        Self { max_sessions: 1_000_000, runtime: Runtime::tokio() }
    }
}

impl MemoryStoreBuilder {
    /// Live sessions at most; beyond that `create` answers [`Full`](unstick_core::ErrorKind::Full). Default 1 000 000; size it by
    /// memory: a session takes about 600 bytes and its values.
    pub fn max_sessions(mut self, max: usize) -> Self {
        self.max_sessions = max;
        self
    }

    /// The clock by which late operations are refused and dead records collected. Default [`Runtime::tokio`]; give it the
    /// layer's if that is another.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Builds the store.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        MemoryStore::from_config(&self)
    }
}
