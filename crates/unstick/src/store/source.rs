//! What a URL names, as a session layer takes it: a server-side store, or sessions that the client carries.

use unstick_core::{
    Applied, Carriage, Carrier, Change, Committed, ConfigError, Decide, Ended, Error, Intent, Loaded, OpCtx, Opening, PrincipalIndex,
    RecordKey, Runtime, Scope, SessionBackend, Store, Ticket, Timestamp,
};
use unstick_session::{IntoBackend, Keyed, Setup};
#[cfg(feature = "token")]
use unstick_token::Token;

use super::AnyStore;
#[cfg(feature = "token")]
use super::TokenSource;

/// Where sessions live, as [`from_url`](super::from_url) found it. Give it to [`SessionLayer::new`](unstick_session::SessionLayer::new).
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// In a server-side store.
    Store(AnyStore),
    /// In the client's cookie.
    #[cfg(feature = "token")]
    Token(TokenSource),
}

impl Source {
    /// How far the sessions reach; what the affinity layer asks.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Self::Store(store) => store.scope(),
            #[cfg(feature = "token")]
            Self::Token(token) => token.scope(),
        }
    }

    /// The store, for sweeping and administration; `None` when the client carries the sessions.
    #[must_use]
    pub fn store(&self) -> Option<&AnyStore> {
        match self {
            Self::Store(store) => Some(store),
            #[cfg(feature = "token")]
            Self::Token(_) => None,
        }
    }

    /// The store, for [`SessionLayer::keyed`](unstick_session::SessionLayer::keyed) and other uses that need one.
    ///
    /// # Errors
    /// When the client carries the sessions.
    pub fn into_store(self) -> Result<AnyStore, ConfigError> {
        match self {
            Self::Store(store) => Ok(store),
            #[cfg(feature = "token")]
            Self::Token(_) => Err(ConfigError::new(
                "`token:` keeps sessions in the client's cookie, and there is no store: write `SessionLayer::new(source, keys)`, or the URL of a store",
            )),
        }
    }
}

impl From<AnyStore> for Source {
    fn from(store: AnyStore) -> Self {
        Self::Store(store)
    }
}

impl IntoBackend for Source {
    type Backend = AnyBackend;

    fn into_backend(self, setup: &Setup<'_>) -> Result<AnyBackend, ConfigError> {
        match self {
            Self::Store(store) => store.into_backend(setup).map(AnyBackend::Keyed),
            #[cfg(feature = "token")]
            Self::Token(token) => token.into_backend(setup).map(AnyBackend::Token),
        }
    }
}

/// The backend that a [`Source`] becomes.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyBackend {
    /// Over a server-side store.
    Keyed(Keyed<AnyStore>),
    /// In the client's cookie.
    #[cfg(feature = "token")]
    Token(Token),
}

/// Calls whichever backend it is.
macro_rules! each {
    ($any:expr, $backend:ident => $call:expr) => {
        match $any {
            AnyBackend::Keyed($backend) => $call,
            #[cfg(feature = "token")]
            AnyBackend::Token($backend) => $call,
        }
    };
}

impl SessionBackend for AnyBackend {
    fn scope(&self) -> Scope {
        each!(self, backend => backend.scope())
    }
    fn name(&self) -> &'static str {
        each!(self, backend => backend.name())
    }
    fn max_text(&self) -> usize {
        each!(self, backend => backend.max_text())
    }
    fn name_of(&self, carriage: Carriage) -> Option<&str> {
        each!(self, backend => backend.name_of(carriage))
    }
    fn open(&self, carriage: Carriage, text: &[u8]) -> Opening {
        each!(self, backend => backend.open(carriage, text))
    }
    fn is_renewal_due(&self, ticket: &Ticket, now: Timestamp) -> bool {
        each!(self, backend => backend.is_renewal_due(ticket, now))
    }
    async fn load(&self, op: OpCtx, carriage: Carriage, ticket: &Ticket, renew: bool) -> Result<(Loaded, Carrier), Error> {
        each!(self, backend => backend.load(op, carriage, ticket, renew).await)
    }
    fn load_now(&self, clock: &Runtime, ticket: &Ticket) -> Option<Loaded> {
        each!(self, backend => backend.load_now(clock, ticket))
    }
    async fn apply(&self, op: OpCtx, carriage: Carriage, ticket: &Ticket, change: &Change) -> Result<Committed, Error> {
        each!(self, backend => backend.apply(op, carriage, ticket, change).await)
    }
    async fn commit(&self, op: OpCtx, carriage: Carriage, ticket: Option<&Ticket>, intent: &Intent) -> Result<Committed, Error> {
        each!(self, backend => backend.commit(op, carriage, ticket, intent).await)
    }
    async fn update_locked(&self, op: OpCtx, ticket: &Ticket, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        each!(self, backend => backend.update_locked(op, ticket, decide).await)
    }
    async fn end_by_key(&self, op: OpCtx, key: RecordKey) -> Result<Ended, Error> {
        each!(self, backend => backend.end_by_key(op, key).await)
    }
    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        each!(self, backend => backend.principal_index())
    }
}
