//! Time that the processor spent on the calling thread: how long it waited for other programs is not in it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub(crate) struct Used(Duration);

impl Used {
    pub(crate) fn now() -> Self {
        Self(clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default())
    }

    /// Since then.
    pub(crate) fn elapsed(&self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
