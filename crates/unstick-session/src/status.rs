//! What a request's session turned out to be.

/// State of a request's session.
///
/// Before the session is [loaded](crate::Session::load), only what the credential alone tells is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The request carried no credential: a change creates a session.
    New,
    /// The credential is authentic and in time; the backend has not been asked.
    Unloaded,
    /// The session lives.
    Live,
    /// Authentic and in time, but the backend has neither record nor tombstone.
    Lost,
    /// A deadline has passed.
    Expired,
    /// The session was ended.
    Ended,
    /// The session's id was replaced.
    Superseded,
    /// The signature is wrong, or it is no credential at all.
    Forged,
    /// Signed by a key that is not in the ring.
    UnknownKey,
    /// The record cannot be read: corrupt, or written by a newer release. It was left alone.
    Unreadable,
    /// The backend could not answer: there may or may not be a session.
    Unknown,
    /// Served from a fallback while the backend is down, such as a lifeboat (feature `lifeboat`): nobody is logged in.
    Degraded,
}

impl Status {
    /// A stable lowercase name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unloaded => "unloaded",
            Self::Live => "live",
            Self::Lost => "lost",
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::Superseded => "superseded",
            Self::Forged => "forged",
            Self::UnknownKey => "unknown_key",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
        }
    }
}
