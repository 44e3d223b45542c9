//! How far a store's sessions reach.

/// Which nodes see the sessions of a store. Decides whether sticky sessions may be turned off.
///
/// ```
/// use unstick_core::Scope;
/// assert!(Scope::Shared.reaches_other_hosts());
/// assert!(!Scope::Host.reaches_other_hosts());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// One process (memory): another node does not know the session.
    Process,
    /// The processes of one host (an SQLite file).
    Host,
    /// Every node that reaches the same server.
    Shared,
    /// The client carries the session (token).
    Client,
}

impl Scope {
    /// Whether a request may go to a node on another host.
    #[must_use]
    pub const fn reaches_other_hosts(self) -> bool {
        matches!(self, Self::Shared | Self::Client)
    }

    /// A stable lowercase name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Host => "host",
            Self::Shared => "shared",
            Self::Client => "client",
        }
    }
}
