//! Which stores have failed lately: those are asked last.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// For so long a store that failed is asked only when there is nobody else.
const REST: Duration = Duration::from_secs(1);

const WELL: i64 = -1;

/// What this node thinks of one store.
#[derive(Debug)]
pub(crate) struct Health(AtomicI64);

impl Default for Health {
    fn default() -> Self {
        Self(AtomicI64::new(WELL))
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Health {
    /// Whether it was well before.
    pub(crate) fn fails(&self, now: Duration) -> bool {
        self.0.swap(millis(now.saturating_add(REST)), Ordering::Relaxed) == WELL
    }

    /// Whether it was not well before.
    pub(crate) fn answers(&self) -> bool {
        self.0.load(Ordering::Relaxed) != WELL && self.0.swap(WELL, Ordering::Relaxed) != WELL
    }

    /// Whether it should be left alone for now.
    pub(crate) fn rests(&self, now: Duration) -> bool {
        millis(now) < self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_once() {
        let (health, start) = (Health::default(), Duration::from_secs(5));
        assert!(!health.rests(start) && !health.answers());
        assert!(health.fails(start) && !health.fails(start));
        assert!(health.rests(start) && !health.rests(start + REST));
        assert!(health.answers() && !health.answers());
        assert!(!health.rests(start));
    }
}
