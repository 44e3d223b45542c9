//! The kinds of events.
//!
//! ```
//! use unstick_core::EventKind;
//!
//! assert_eq!(EventKind::BackendDown.as_str(), "backend_down");
//! assert!(EventKind::BackendDown.is_warning() && !EventKind::BackendHealed.is_warning());
//! assert!(EventKind::ALL.contains(&EventKind::PinSeen));
//! ```

/// One list for the enum, the names and the list of all.
macro_rules! kinds {
    ($($(#[$docs:meta])* $kind:ident = $name:literal,)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$docs])* $kind,)*
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// A stable lowercase name, usable as a metric label.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A session was created.
    SessionCreated = "session_created",
    /// A session was found where its credential said.
    SessionFound = "session_found",
    /// A credential was authentic and in time, but there is neither record nor tombstone: the backend lost it. The detail is
    /// [`Event::JUST_ISSUED`](crate::Event::JUST_ISSUED) when some node's backend had it within the last minute.
    SessionLost = "session_lost",
    /// A deadline has passed.
    SessionExpired = "session_expired",
    /// A session was ended by the request at hand.
    SessionEnded = "session_ended",
    /// A credential of an ended session came back.
    SessionAfterEnd = "session_after_end",
    /// A credential whose id was replaced came back after its grace: a late request, or a stolen cookie.
    SessionSuperseded = "session_superseded",
    /// The idle deadline was extended.
    SessionRenewed = "session_renewed",
    /// The id was replaced, with a grace for the old one.
    SessionIdRenewed = "session_id_renewed",
    /// A principal was logged in, and the id replaced.
    SessionPromoted = "session_promoted",
    /// A session was moved from one store to another, with all it holds.
    SessionMoved = "session_moved",
    /// A credential with a wrong signature.
    SessionForged = "session_forged",
    /// A credential signed by a key that is not in the ring.
    SessionUnknownKey = "session_unknown_key",
    /// A cookie of our name that is no credential at all.
    SessionMalformed = "session_malformed",
    /// A credential issued in the future, by more than the tolerated skew: some node's clock is wrong.
    ClockSkew = "clock_skew",
    /// The record cannot be read and was left alone.
    SessionUnreadable = "session_unreadable",
    /// A change came too late (session ended, expired or superseded meanwhile) and was refused.
    ChangeRefused = "change_refused",
    /// The handler answered 5xx: its buffered changes were discarded.
    ChangesDiscarded = "changes_discarded",
    /// A commit failed; the client was told so, unless a [degraded](Self::SessionDegraded) session keeps the change.
    CommitFailed = "commit_failed",
    /// A commit got no answer in time: it may or may not be in; the client was told that it failed, with the same exception.
    CommitUnknown = "commit_unknown",
    /// A read failed.
    LoadFailed = "load_failed",
    /// The backend answered, but took more than half of the deadline.
    BackendSlow = "backend_slow",
    /// A request was served from its lifeboat, because the backend could not be asked.
    SessionDegraded = "session_degraded",
    /// What a client changed while the backend was down is in its session.
    LifeboatMerged = "lifeboat_merged",
    /// What a client changed while the backend was down met a newer stored value.
    LifeboatConflict = "lifeboat_conflict",
    /// What a client changed while the backend was down was not merged: it had been before, or cannot be any more.
    LifeboatRefused = "lifeboat_refused",
    /// The backend failed to answer, after having answered before.
    BackendDown = "backend_down",
    /// The backend answered again after failures.
    BackendHealed = "backend_healed",
    /// Connections to a backend that had stopped answering were given up for fresh ones.
    BackendReconnected = "backend_reconnected",
    /// The backend is set up to drop sessions when its memory is full, instead of refusing new ones.
    EvictionPolicy = "eviction_policy",
    /// The backend has dropped data because its memory is full: sessions may be among it.
    BackendEvicted = "backend_evicted",
    /// A sweep of expired records failed; it will be tried again.
    SweepFailed = "sweep_failed",
    /// Two layers are in an order that weakens their promises.
    LayerOrder = "layer_order",
    /// Affinity is disabled over a store that reaches one host only.
    HostScope = "host_scope",
    /// Invalidation notices may have been missed: what the process holds is looked up anew.
    CacheGap = "cache_gap",
    /// Invalidation notices stay away: what the process holds is trusted only for moments.
    CacheCut = "cache_cut",
    /// Invalidation notices arrive again.
    CacheRestored = "cache_restored",
    /// A loaded value was not kept, because it was invalidated while it was being loaded.
    CacheRefused = "cache_refused",
    /// A value in the shared level cannot be decoded; it counts as missing.
    CacheUndecodable = "cache_undecodable",
    /// A value cannot be encoded for the shared level, and is kept in the process only.
    CacheUnencodable = "cache_unencodable",
    /// A load failed; callers get the error, or the last value when that is allowed.
    CacheLoadFailed = "cache_load_failed",
    /// An expired value was served because it could not be loaded anew.
    CacheStale = "cache_stale",
    /// The shared level did not answer; values are loaded without it for a while.
    CacheLevelDown = "cache_level_down",
    /// The shared level answers again.
    CacheLevelHealed = "cache_level_healed",
    /// Invalidations that could not be confirmed were too many to remember one by one: everything was invalidated.
    CacheOverflow = "cache_overflow",
    /// A client's signed list of its recent writes is forged or malformed, and was ignored.
    CacheWritesForged = "cache_writes_forged",
    /// A value differed from its source after an invalidation that should have reached it.
    CacheInconsistent = "cache_inconsistent",
    /// A request carried a load balancer's pin cookie.
    PinSeen = "pin_seen",
    /// A pin cookie was told to expire.
    PinExpired = "pin_expired",
    /// A pin line was left out: the response's header budget is used up.
    PinDropped = "pin_dropped",
    /// A client that was told to delete a pin cookie came without it: un-pinning works for it.
    PinGone = "pin_gone",
    /// A client that was told to delete a pin cookie came with it again.
    PinCameBack = "pin_came_back",
    /// A client's requests stay on one node although no pin cookie is seen.
    RoutePinned = "route_pinned",
    /// A session cookie is set, sent or missing in a way that loses sessions; the detail names what is wrong.
    CookieMisconfigured = "cookie_misconfigured",
    /// A node began to drain: its readiness check fails from now on.
    DrainBegan = "drain_began",
    /// A request was cut at the end of a drain.
    DrainCut = "drain_cut",
    /// A drain is over.
    DrainEnded = "drain_ended",
}

impl EventKind {
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::EventKind;

    #[test]
    fn names_are_those_of_the_kinds_and_no_two_are_the_same() {
        let names: HashSet<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), EventKind::ALL.len());
        for (index, kind) in EventKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index);
            assert_eq!(format!("{kind:?}").to_lowercase(), kind.as_str().replace('_', ""));
        }
    }
}
