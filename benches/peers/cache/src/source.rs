//! Where values come from.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

/// What is kept.
pub(crate) type Value = Arc<[u8; 256]>;

/// A database: it counts how often it is asked, and may let its readers wait after they have read.
pub(crate) struct Source {
    loads: AtomicUsize,
    version: AtomicU8,
    gate: Semaphore,
    is_ready: bool,
}

impl Source {
    /// Answers at once, every time with a value of its own.
    pub(crate) fn ready() -> &'static Self {
        Self::leaked(true)
    }

    /// Answers when it is [opened](Self::open).
    pub(crate) fn gated() -> &'static Self {
        Self::leaked(false)
    }

    /// For ever, so that a loader is a pointer, and costs a hit nothing.
    fn leaked(is_ready: bool) -> &'static Self {
        Box::leak(Box::new(Self { loads: AtomicUsize::new(0), version: AtomicU8::new(1), gate: Semaphore::new(0), is_ready }))
    }

    pub(crate) async fn read(&self) -> Value {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let value = Arc::new([self.version.load(Ordering::SeqCst); 256]);
        if !self.is_ready
            && let Ok(permit) = self.gate.acquire().await
        {
            drop(permit);
        }
        value
    }

    /// From now on readers see another value.
    pub(crate) fn write(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        self.gate.close();
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}
