//! Collects events.
//!
//! ```
//! use std::sync::Arc;
//! use unstick_core::{EventKind, Events};
//! use unstick_testkit::observe::EventLog;
//!
//! let log = Arc::new(EventLog::default());
//! Events::new("node-1").observer(log.clone()).emit(EventKind::SessionLost, None, "");
//! assert_eq!(log.count(EventKind::SessionLost), 1);
//! assert_eq!(log.events()[0].instance, "node-1");
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};

use unstick_core::{Event, EventKind, Observer, SessionTag};

/// One event, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What happened.
    pub kind: EventKind,
    /// On which instance.
    pub instance: String,
    /// To which session.
    pub session: Option<SessionTag>,
    /// The detail.
    pub detail: String,
}

/// An observer that keeps every event.
#[derive(Debug, Default)]
pub struct EventLog(Mutex<Vec<Seen>>);

impl EventLog {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> Vec<Seen> {
        self.seen().clone()
    }

    /// How many events of a kind.
    #[must_use]
    pub fn count(&self, kind: EventKind) -> usize {
        self.seen().iter().filter(|seen| seen.kind == kind).count()
    }

    /// Forgets what was seen.
    pub fn clear(&self) {
        self.seen().clear();
    }
}

impl Observer for EventLog {
    fn on_event(&self, event: &Event<'_>) {
        let Event { kind, instance, session, detail, .. } = *event;
        self.seen().push(Seen { kind, instance: instance.to_owned(), session, detail: detail.to_owned() });
    }
}
