//! What the audit can find, and what it says of it.

use std::fmt;

use unstick_core::Timestamp;

/// One way in which sessions disappear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingKind {
    /// A `Secure` cookie was given to a client that came over plain HTTP.
    SecureOverHttp,
    /// The cookie's `Domain` is not the host that the browser asked.
    DomainMismatch,
    /// The cookie's `Path` leaves out a path whose requests start sessions.
    PathMismatch,
    /// The cookie is one that browsers do not keep.
    RefusedByBrowser,
    /// A user who came back from another site got a new session, because `SameSite` held the cookie back.
    SameSiteLost,
    /// A request carried two different cookies of the name.
    Shadowed,
    /// The cookie is set again and again, and no request carries it.
    NeverReturned,
    /// Cookies are signed with keys that this node does not have.
    KeyMismatch,
    /// Clients carry the cookie under another name.
    NameMismatch,
    /// Sessions that another node has just created are not in this node's store.
    StoreMismatch,
    /// Cookies come from the future: the nodes' clocks differ.
    ClockSkew,
    /// The store drops sessions before their time.
    StoreEvicts,
    /// The store did not answer.
    StoreDown,
}

impl FindingKind {
    /// Every kind, in the order in which [`findings`](super::Audit::findings) gives them.
    pub const ALL: [Self; 13] = [
        Self::SecureOverHttp,
        Self::DomainMismatch,
        Self::PathMismatch,
        Self::RefusedByBrowser,
        Self::SameSiteLost,
        Self::Shadowed,
        Self::NeverReturned,
        Self::KeyMismatch,
        Self::NameMismatch,
        Self::StoreMismatch,
        Self::ClockSkew,
        Self::StoreEvicts,
        Self::StoreDown,
    ];

    /// A stable lowercase name, usable as a metric label; the detail of the event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecureOverHttp => "secure_over_http",
            Self::DomainMismatch => "domain_mismatch",
            Self::PathMismatch => "path_mismatch",
            Self::RefusedByBrowser => "refused_by_browser",
            Self::SameSiteLost => "same_site_lost",
            Self::Shadowed => "shadowed",
            Self::NeverReturned => "never_returned",
            Self::KeyMismatch => "key_mismatch",
            Self::NameMismatch => "name_mismatch",
            Self::StoreMismatch => "store_mismatch",
            Self::ClockSkew => "clock_skew",
            Self::StoreEvicts => "store_evicts",
            Self::StoreDown => "store_down",
        }
    }
}

/// What was found. See the [module docs](super).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Which.
    pub kind: FindingKind,
    /// How often since the audit began.
    pub count: u64,
    /// When it was first seen, by the node's clock.
    pub first_seen: Timestamp,
    /// What was seen the first time: attributes and host names, never a cookie's value or a path that a user asked for.
    pub detail: String,
    /// For the operator: what is wrong, what users see, what to change.
    pub sentence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}x; first: {}): {}", self.kind.as_str(), self.count, self.detail, self.sentence)
    }
}
