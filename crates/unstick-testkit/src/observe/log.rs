//! Events, as they were seen.

use std::sync::{Mutex, MutexGuard, PoisonError};

use unstick_core::{Event, EventKind, Observer, SessionTag};

/// An event as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What happened.
    pub kind: EventKind,
    /// On which instance.
    pub instance: String,
    /// To which session.
    pub session: Option<SessionTag>,
    /// The event's detail.
    pub detail: String,
}

/// Collects events in order. Put it into an `Arc`, and one clone of that into `Events::observer`.
#[derive(Debug, Default)]
pub struct EventLog(Mutex<Vec<Seen>>);

impl EventLog {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All events so far.
    #[must_use]
    pub fn all(&self) -> Vec<Seen> {
        self.seen().clone()
    }

    /// Kinds of all events so far, in order.
    #[must_use]
    pub fn kinds(&self) -> Vec<EventKind> {
        self.seen().iter().map(|seen| seen.kind).collect()
    }

    /// How many events of `kind` there were.
    #[must_use]
    pub fn count(&self, kind: EventKind) -> usize {
        self.seen().iter().filter(|seen| seen.kind == kind).count()
    }

    /// How many events of `kind` there were about this session.
    #[must_use]
    pub fn count_of(&self, kind: EventKind, session: SessionTag) -> usize {
        self.seen().iter().filter(|seen| seen.kind == kind && seen.session == Some(session)).count()
    }

    /// Takes all events out: the next count starts at zero.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen())
    }

    /// Whether `text` appears in any event: for secrets, values and ids that must not.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.seen().iter().any(|seen| format!("{seen:?}").contains(text))
    }
}

impl Observer for EventLog {
    fn on_event(&self, event: &Event<'_>) {
        let seen = Seen { kind: event.kind, instance: event.instance.into(), session: event.session, detail: event.detail.into() };
        self.seen().push(seen);
    }
}
