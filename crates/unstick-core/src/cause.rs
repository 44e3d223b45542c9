//! Why sessions disappear: six causes, and the events that tell of each.
//!
//! "My cart is gone" says nothing about the reason. These six need different people: whoever runs the balancer, writes the
//! application, runs the store, sizes it, hands out keys, or nobody.
//!
//! ```
//! use unstick_core::{Cause, EventKind};
//!
//! assert_eq!(EventKind::BackendEvicted.cause(), Some(Cause::Eviction));
//! assert_eq!(EventKind::SessionFound.cause(), None, "nothing is wrong");
//! assert_eq!(Cause::KeyMismatch.as_str(), "key_mismatch");
//! ```

use crate::EventKind;

/// Why a session is not there. See the [module docs](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// Requests stay on one node, or go to one that cannot have the session.
    Routing,
    /// The cookie is not kept by browsers, not sent back, or hidden by another.
    Cookie,
    /// The store did not answer, or forgot.
    StorageOutage,
    /// The store dropped sessions to make room, or is set up to.
    Eviction,
    /// A credential that this node cannot verify: another key, another clock, or a forgery.
    KeyMismatch,
    /// The user's own doing: idle for too long, logged out, an old tab or a copied cookie.
    Client,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Routing, Self::Cookie, Self::StorageOutage, Self::Eviction, Self::KeyMismatch, Self::Client];

    /// A stable lowercase name, usable as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Cookie => "cookie",
            Self::StorageOutage => "storage_outage",
            Self::Eviction => "eviction",
            Self::KeyMismatch => "key_mismatch",
            Self::Client => "client",
        }
    }
}

impl EventKind {
    /// The cause that an event speaks of; `None` for what is in order and for what loses no session.
    #[must_use]
    pub const fn cause(self) -> Option<Cause> {
        Some(match self {
            Self::PinSeen | Self::PinCameBack | Self::RoutePinned | Self::HostScope | Self::LayerOrder | Self::DrainCut => Cause::Routing,
            Self::CookieMisconfigured | Self::SessionMalformed => Cause::Cookie,
            Self::BackendDown
            | Self::BackendSlow
            | Self::BackendReconnected
            | Self::LoadFailed
            | Self::CommitFailed
            | Self::CommitUnknown
            | Self::ChangesDiscarded
            | Self::SessionDegraded
            | Self::LifeboatConflict
            | Self::LifeboatRefused
            | Self::SessionUnreadable => Cause::StorageOutage,
            Self::SessionLost | Self::EvictionPolicy | Self::BackendEvicted => Cause::Eviction,
            Self::SessionForged | Self::SessionUnknownKey | Self::ClockSkew => Cause::KeyMismatch,
            Self::SessionExpired | Self::SessionAfterEnd | Self::SessionSuperseded | Self::ChangeRefused => Cause::Client,
            _ => return None,
        })
    }
}
