use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time that the processor spent on the calling thread: how long it waited for other programs is not in it.
#[derive(Debug, Clone, Copy)]
pub struct Used(Duration);

impl Used {
    /// Until now.
    pub fn now() -> Self {
        Self(clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default())
    }

    /// Since then.
    pub fn elapsed(&self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
