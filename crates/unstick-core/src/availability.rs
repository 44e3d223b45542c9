//! Whether a backend answers, told once per change.
//!
//! Whoever talks to a backend keeps one [`Availability`] of it. The first failure is told as
//! [`BackendDown`](EventKind::BackendDown), the first answer after that as [`BackendHealed`](EventKind::BackendHealed). With feature
//! `metrics`, those that are down are counted in the gauge `unstick_backends_down`, label `node`, until they are heard again or dropped:
//! an outage cannot be read from counters of the two events, as whoever is dropped meanwhile tells no end of it.
//!
//! ```
//! use unstick_core::{Availability, Events};
//!
//! let (store, events) = (Availability::default(), Events::new("node-1"));
//! store.fails(&events, &"timeout"); // tells
//! store.fails(&events, &"timeout");
//! assert!(store.is_down());
//! store.answers(&events, &""); // tells
//! assert!(!store.is_down());
//! ```

use std::{
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{EventKind, Events};

/// Whether one backend answers one user of it. Answers by default. See the [module docs](self).
#[derive(Debug, Default)]
pub struct Availability {
    is_down: AtomicBool,
    #[cfg(feature = "metrics")]
    outage: std::sync::Mutex<Option<crate::event::Outage>>,
}

impl Availability {
    /// It failed to answer. `detail` is told if this is news; it holds no secrets.
    pub fn fails(&self, events: &Events, detail: &dyn Display) {
        if self.turns(true, events) {
            events.emit(EventKind::BackendDown, None, &detail.to_string());
        }
    }

    /// It answered. `detail` is told if this is news; it holds no secrets. As cheap as reading a flag otherwise.
    pub fn answers(&self, events: &Events, detail: &dyn Display) {
        if self.turns(false, events) {
            events.emit(EventKind::BackendHealed, None, &detail.to_string());
        }
    }

    /// Whether the last that was heard of it is a failure.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// Whether that is news.
    #[cfg(feature = "metrics")]
    fn turns(&self, down: bool, events: &Events) -> bool {
        // only read as a rule: every answer asks this
        if self.is_down() == down {
            return false;
        }
        let mut outage = self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_news = self.is_down.swap(down, Ordering::Relaxed) != down;
        if is_news {
            *outage = down.then(|| events.outage());
        }
        is_news
    }

    #[cfg(not(feature = "metrics"))]
    fn turns(&self, down: bool, _: &Events) -> bool {
        self.is_down() != down && self.is_down.swap(down, Ordering::Relaxed) != down
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{Event, Observer};

    #[derive(Debug, Default)]
    struct Log(Mutex<Vec<(EventKind, String)>>);

    impl Observer for Log {
        fn on_event(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push((event.kind, event.detail.to_owned()));
        }
    }

    #[test]
    fn changes_are_told_once_each() {
        let log = Arc::new(Log::default());
        let (store, events) = (Availability::default(), Events::new("n").observer(log.clone()));
        store.answers(&events, &"a");
        for _ in 0..2 {
            store.fails(&events, &"b");
            store.fails(&events, &"c");
            assert!(store.is_down());
            store.answers(&events, &"d");
            store.answers(&events, &"e");
            assert!(!store.is_down());
        }
        let round = [(EventKind::BackendDown, "b".to_owned()), (EventKind::BackendHealed, "d".to_owned())];
        assert_eq!(*log.0.lock().unwrap(), [round.clone(), round].concat());
    }
}
