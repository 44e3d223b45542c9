use std::time::Duration;

use super::{History, Load, LoadFailed, Versioned, history::Reading};
use crate::sim::Handle;

/// What is cached: key to version. A read takes its snapshot somewhere between its start and its answer.
#[derive(Debug, Clone)]
pub struct Source {
    at: Handle,
    history: History,
    /// A load takes up to this many milliseconds on top of its steps, some of the time.
    slow: usize,
    /// One of so many loads fails.
    fails: usize,
}

impl Source {
    pub(super) fn new(at: Handle, history: History, slow: usize, fails: usize) -> Self {
        Self { at, history, slow, fails }
    }

    /// Steps, and some of the time virtual time.
    pub(super) async fn pause(&self) {
        self.at.yield_some(6).await;
        if self.slow > 0 && self.at.once_in(3) {
            self.at.sleep(Duration::from_millis(self.at.below(self.slow) as u64)).await;
        }
    }

    /// A load for the call that is `reading`.
    pub(super) fn load(&self, reading: &Reading, key: u64) -> Load {
        let (this, read) = (self.clone(), reading.read);
        Box::pin(async move {
            this.pause().await;
            let value = this.history.snapshot(read, key);
            this.pause().await;
            if this.at.once_in(this.fails) {
                return Err(LoadFailed);
            }
            this.history.answered(&value);
            Ok(value)
        })
    }

    /// Commits the next version of `key` under one of three groups; what it replaced.
    pub(super) async fn write(&self, key: u64) -> Versioned {
        self.at.yield_some(3).await;
        let old = self.history.commit(key, self.at.below(3) as u64);
        self.at.yield_some(3).await;
        old
    }
}
