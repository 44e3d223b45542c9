//! What happened, for logs, metrics and user code. Events carry a non-reversible session tag; never ids, keys or values.
//!
//! With feature `metrics` every event is also counted as `unstick_events_total`, with the labels `kind` (one of
//! [`EventKind::as_str`]), `cause` (of its [`Cause`](crate::Cause), or `none`) and `node`: as many series as there are kinds and
//! nodes. [`Events::new`] makes them all known at 0, so that rates and increases show the first event of a kind, too; install the
//! recorder before that. One that is installed before the first event still counts all of them; nodes without a name, and recorders installed
//! that late, know of all kinds from the first event on. Which backends are down is a gauge: see [`availability`](crate::availability).
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use unstick_core::{Event, EventKind, Events, Observer};
//!
//! #[derive(Debug, Default)]
//! struct Log(Mutex<Vec<EventKind>>);
//! impl Observer for Log {
//!     fn on_event(&self, event: &Event<'_>) { self.0.lock().unwrap().push(event.kind); }
//! }
//! let log = Arc::new(Log::default());
//! let events = Events::new("node-1").observer(log.clone());
//! events.emit(EventKind::SessionForged, None, "");
//! assert_eq!(*log.0.lock().unwrap(), [EventKind::SessionForged]);
//! ```

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::SessionTag;

mod kind;
#[cfg(feature = "metrics")]
mod series;

pub use kind::EventKind;
#[cfg(feature = "metrics")]
pub(crate) use series::Outage;

/// One event. See the [module docs](self).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// On which instance.
    pub instance: &'a str,
    /// To which session.
    pub session: Option<SessionTag>,
    /// A word or sentence of detail: an error kind, a balancer product. Bounded, without secrets.
    pub detail: &'a str,
}

impl Event<'_> {
    /// Detail of [`EventKind::SessionLost`]: the credential is younger than a minute, by the clocks of the two nodes.
    pub const JUST_ISSUED: &'static str = "within a minute of its issue";
}

/// Receives events, on the request path: return quickly and never block. One that panics harms nobody but itself.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Called for every event.
    fn on_event(&self, event: &Event<'_>);
}

/// Where a layer or store sends its events: always to `tracing`, and to the observers added. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    instance: Box<str>,
    observers: Vec<Arc<dyn Observer>>,
    #[cfg(feature = "metrics")]
    series: series::Series,
}

impl Default for Events {
    fn default() -> Self {
        Self::new("")
    }
}

impl Events {
    /// Events of the node called `instance`, which is the metrics' label `node`.
    #[must_use]
    pub fn new(instance: &str) -> Self {
        // builders begin with the events of a node without a name, and are given others
        #[cfg(feature = "metrics")]
        if !instance.is_empty() {
            series::register(instance);
        }
        Self(Arc::new(Inner {
            instance: instance.into(),
            observers: Vec::new(),
            #[cfg(feature = "metrics")]
            series: series::Series::default(),
        }))
    }

    /// Adds an observer.
    #[must_use]
    pub fn observer(mut self, observer: Arc<impl Observer>) -> Self {
        Arc::make_mut(&mut self.0).observers.push(observer);
        self
    }

    /// The node's name.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.0.instance
    }

    /// Whether anybody but `tracing` listens.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        !self.0.observers.is_empty()
    }

    /// As [`emit`](Self::emit), making the tag only if somebody looks at it: for events of every request.
    pub fn emit_with(&self, kind: EventKind, session: impl FnOnce() -> Option<SessionTag>, detail: &str) {
        if self.is_observed() || kind.is_warning() || tracing::enabled!(target: "unstick", tracing::Level::DEBUG) {
            self.emit(kind, session(), detail);
        } else {
            self.count(kind);
        }
    }

    #[cfg(feature = "metrics")]
    fn count(&self, kind: EventKind) {
        self.0.series.count(self.instance(), kind);
    }

    /// Counts one more backend of this node as down, while it is kept.
    #[cfg(feature = "metrics")]
    pub(crate) fn outage(&self) -> Outage {
        Outage::new(self.instance())
    }

    #[cfg(not(feature = "metrics"))]
    #[allow(clippy::unused_self, reason = "with the feature it is used")]
    fn count(&self, _: EventKind) {}

    /// Sends an event.
    pub fn emit(&self, kind: EventKind, session: Option<SessionTag>, detail: &str) {
        self.count(kind);
        let instance = self.instance();
        if kind.is_warning() {
            tracing::warn!(target: "unstick", kind = kind.as_str(), instance, session = session.map(tracing::field::display), detail);
        } else {
            tracing::debug!(target: "unstick", kind = kind.as_str(), instance, session = session.map(tracing::field::display), detail);
        }
        let event = Event { kind, instance, session, detail };
        for observer in &self.0.observers {
            // whoever tells of an event has other things to do than to die of an observer
            _ = catch_unwind(AssertUnwindSafe(|| observer.on_event(&event)));
        }
    }
}
