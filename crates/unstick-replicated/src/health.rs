//! Which stores have failed lately: those are asked last.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use unstick_core::Availability;

/// For so long a store that failed is asked only when there is nobody else.
const REST: Duration = Duration::from_secs(1);

const WELL: i64 = -1;

/// What this node thinks of one store.
#[derive(Debug)]
pub(crate) struct Health {
    /// Until when it is left alone, in milliseconds.
    rest: AtomicI64,
    pub(crate) availability: Availability,
}

impl Default for Health {
    fn default() -> Self {
        Self { rest: AtomicI64::new(WELL), availability: Availability::default() }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Health {
    pub(crate) fn fails(&self, now: Duration) {
        self.rest.store(millis(now.saturating_add(REST)), Ordering::Relaxed);
    }

    pub(crate) fn answers(&self) {
        // only read as a rule
        if self.rest.load(Ordering::Relaxed) != WELL {
            self.rest.store(WELL, Ordering::Relaxed);
        }
    }

    /// Whether it should be left alone for now.
    pub(crate) fn rests(&self, now: Duration) -> bool {
        millis(now) < self.rest.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_failed_rests_until_it_answers() {
        let (health, start) = (Health::default(), Duration::from_secs(5));
        assert!(!health.rests(start));
        health.fails(start);
        assert!(health.rests(start) && !health.rests(start + REST));
        health.answers();
        assert!(!health.rests(start));
    }
}
