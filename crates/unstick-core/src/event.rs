//! What happened, for logs, metrics and user code. Events carry a non-reversible session tag; never ids, keys or values.
//!
//! With feature `metrics` every event is also counted as `unstick_events_total`, with the labels `kind` (one of
//! [`EventKind::as_str`]) and `instance`: as many series as there are kinds and nodes. Install the recorder before the first
//! event: handles are looked up once.
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

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A session was created.
    SessionCreated,
    /// A session was found where its credential said.
    SessionFound,
    /// A credential was authentic and in time, but there is neither record nor tombstone: the backend lost it. The detail is
    /// [`Event::JUST_ISSUED`] when some node's backend had it within the last minute.
    SessionLost,
    /// A deadline has passed.
    SessionExpired,
    /// A session was ended by the request at hand.
    SessionEnded,
    /// A credential of an ended session came back.
    SessionAfterEnd,
    /// A credential whose id was replaced came back after its grace: a late request, or a stolen cookie.
    SessionSuperseded,
    /// The idle deadline was extended.
    SessionRenewed,
    /// The id was replaced, with a grace for the old one.
    SessionIdRenewed,
    /// A principal was logged in, and the id replaced.
    SessionPromoted,
    /// A session was moved from one store to another, with all it holds.
    SessionMoved,
    /// A credential with a wrong signature.
    SessionForged,
    /// A credential signed by a key that is not in the ring.
    SessionUnknownKey,
    /// A cookie of our name that is no credential at all.
    SessionMalformed,
    /// A credential issued in the future, by more than the tolerated skew: some node's clock is wrong.
    ClockSkew,
    /// The record cannot be read and was left alone.
    SessionUnreadable,
    /// A change came too late (session ended, expired or superseded meanwhile) and was refused.
    ChangeRefused,
    /// The handler answered 5xx: its buffered changes were discarded.
    ChangesDiscarded,
    /// A commit failed; the client was told so, unless a [degraded](Self::SessionDegraded) session keeps the change.
    CommitFailed,
    /// A commit got no answer in time: it may or may not be in; the client was told that it failed, with the same exception.
    CommitUnknown,
    /// A read failed.
    LoadFailed,
    /// The backend answered, but took more than half of the deadline.
    BackendSlow,
    /// A request was served from its lifeboat, because the backend could not be asked.
    SessionDegraded,
    /// What a client changed while the backend was down is in its session.
    LifeboatMerged,
    /// What a client changed while the backend was down met a newer stored value.
    LifeboatConflict,
    /// What a client changed while the backend was down was not merged: it had been before, or cannot be any more.
    LifeboatRefused,
    /// The backend failed to answer, after having answered before.
    BackendDown,
    /// The backend answered again after failures.
    BackendHealed,
    /// Connections to a backend that had stopped answering were given up for fresh ones.
    BackendReconnected,
    /// The backend is set up to drop sessions when its memory is full, instead of refusing new ones.
    EvictionPolicy,
    /// The backend has dropped data because its memory is full: sessions may be among it.
    BackendEvicted,
    /// A sweep of expired records failed; it will be tried again.
    SweepFailed,
    /// Two layers are in an order that weakens their promises.
    LayerOrder,
    /// Affinity is disabled over a store that reaches one host only.
    HostScope,
    /// Invalidation notices may have been missed: what the process holds is looked up anew.
    CacheGap,
    /// Invalidation notices stay away: what the process holds is trusted only for moments.
    CacheCut,
    /// Invalidation notices arrive again.
    CacheRestored,
    /// A loaded value was not kept, because it was invalidated while it was being loaded.
    CacheRefused,
    /// A value in the shared level cannot be decoded; it counts as missing.
    CacheUndecodable,
    /// A value cannot be encoded for the shared level, and is kept in the process only.
    CacheUnencodable,
    /// A load failed; callers get the error, or the last value when that is allowed.
    CacheLoadFailed,
    /// An expired value was served because it could not be loaded anew.
    CacheStale,
    /// The shared level did not answer; values are loaded without it for a while.
    CacheLevelDown,
    /// The shared level answers again.
    CacheLevelHealed,
    /// Invalidations that could not be confirmed were too many to remember one by one: everything was invalidated.
    CacheOverflow,
    /// A client's signed list of its recent writes is forged or malformed, and was ignored.
    CacheWritesForged,
    /// A value differed from its source after an invalidation that should have reached it.
    CacheInconsistent,
    /// A request carried a load balancer's pin cookie.
    PinSeen,
    /// A pin cookie was told to expire.
    PinExpired,
    /// A pin line was left out: the response's header budget is used up.
    PinDropped,
    /// A client that was told to delete a pin cookie came without it: un-pinning works for it.
    PinGone,
    /// A client that was told to delete a pin cookie came with it again.
    PinCameBack,
    /// A client's requests stay on one node although no pin cookie is seen.
    RoutePinned,
    /// A session cookie is set, sent or missing in a way that loses sessions; the detail names what is wrong.
    CookieMisconfigured,
    /// A node began to drain: its readiness check fails from now on.
    DrainBegan,
    /// A request was cut at the end of a drain.
    DrainCut,
    /// A drain is over.
    DrainEnded,
}

impl EventKind {
    /// A stable lowercase name, usable as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionCreated => "session_created",
            Self::SessionFound => "session_found",
            Self::SessionLost => "session_lost",
            Self::SessionExpired => "session_expired",
            Self::SessionEnded => "session_ended",
            Self::SessionAfterEnd => "session_after_end",
            Self::SessionSuperseded => "session_superseded",
            Self::SessionRenewed => "session_renewed",
            Self::SessionIdRenewed => "session_id_renewed",
            Self::SessionPromoted => "session_promoted",
            Self::SessionMoved => "session_moved",
            Self::SessionForged => "session_forged",
            Self::SessionUnknownKey => "session_unknown_key",
            Self::SessionMalformed => "session_malformed",
            Self::ClockSkew => "clock_skew",
            Self::SessionUnreadable => "session_unreadable",
            Self::ChangeRefused => "change_refused",
            Self::ChangesDiscarded => "changes_discarded",
            Self::CommitFailed => "commit_failed",
            Self::CommitUnknown => "commit_unknown",
            Self::LoadFailed => "load_failed",
            Self::BackendSlow => "backend_slow",
            Self::SessionDegraded => "session_degraded",
            Self::LifeboatMerged => "lifeboat_merged",
            Self::LifeboatConflict => "lifeboat_conflict",
            Self::LifeboatRefused => "lifeboat_refused",
            Self::BackendDown => "backend_down",
            Self::BackendHealed => "backend_healed",
            Self::BackendReconnected => "backend_reconnected",
            Self::EvictionPolicy => "eviction_policy",
            Self::BackendEvicted => "backend_evicted",
            Self::SweepFailed => "sweep_failed",
            Self::LayerOrder => "layer_order",
            Self::HostScope => "host_scope",
            Self::CacheGap => "cache_gap",
            Self::CacheCut => "cache_cut",
            Self::CacheRestored => "cache_restored",
            Self::CacheRefused => "cache_refused",
            Self::CacheUndecodable => "cache_undecodable",
            Self::CacheUnencodable => "cache_unencodable",
            Self::CacheLoadFailed => "cache_load_failed",
            Self::CacheStale => "cache_stale",
            Self::CacheLevelDown => "cache_level_down",
            Self::CacheLevelHealed => "cache_level_healed",
            Self::CacheOverflow => "cache_overflow",
            Self::CacheWritesForged => "cache_writes_forged",
            Self::CacheInconsistent => "cache_inconsistent",
            Self::PinSeen => "pin_seen",
            Self::PinExpired => "pin_expired",
            Self::PinDropped => "pin_dropped",
            Self::PinGone => "pin_gone",
            Self::PinCameBack => "pin_came_back",
            Self::RoutePinned => "route_pinned",
            Self::CookieMisconfigured => "cookie_misconfigured",
            Self::DrainBegan => "drain_began",
            Self::DrainCut => "drain_cut",
            Self::DrainEnded => "drain_ended",
        }
    }

    /// Whether an operator should look at it.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        matches!(
            self,
            Self::SessionLost
                | Self::SessionUnreadable
                | Self::BackendSlow
                | Self::BackendDown
                | Self::EvictionPolicy
                | Self::BackendEvicted
                | Self::ClockSkew
                | Self::CommitFailed
                | Self::CommitUnknown
                | Self::LoadFailed
                | Self::SweepFailed
                | Self::LayerOrder
                | Self::HostScope
                | Self::CacheGap
                | Self::CacheCut
                | Self::CacheUndecodable
                | Self::CacheUnencodable
                | Self::CacheLoadFailed
                | Self::CacheLevelDown
                | Self::CacheOverflow
                | Self::CacheInconsistent
                | Self::CookieMisconfigured
                | Self::DrainCut
        )
    }
}

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
    /// One per kind, registered at its first event.
    #[cfg(feature = "metrics")]
    counters: Vec<Counter>,
}

#[cfg(feature = "metrics")]
type Counter = std::sync::OnceLock<metrics::Counter>;

impl Default for Events {
    fn default() -> Self {
        Self::new("")
    }
}

impl Events {
    /// Events of the node called `instance`.
    #[must_use]
    pub fn new(instance: &str) -> Self {
        Self(Arc::new(Inner {
            instance: instance.into(),
            observers: Vec::new(),
            #[cfg(feature = "metrics")]
            counters: (0..=EventKind::DrainEnded as usize).map(|_| Counter::new()).collect(),
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
        let counter = self.0.counters.get(kind as usize).map(|counter| {
            counter.get_or_init(|| {
                let instance = self.instance().to_owned();
                metrics::counter!("unstick_events_total", "kind" => kind.as_str(), "instance" => instance)
            })
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
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
