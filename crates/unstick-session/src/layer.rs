//! The layer, and the administration of sessions behind it.

use std::{fmt, sync::Arc};

use tower_layer::Layer;
use unstick_core::{Ended, ErrorKind, KeyRing, Pending, RecordKey, Scope, SessionBackend, SessionEntry, Store};

use crate::{Continuity, IntoBackend, SessionError, SessionLayerBuilder, SessionService, deadline::within, engine::Shared};

/// Gives every request a [`Session`](crate::Session). See the [crate docs](crate).
///
/// Clones share the backend, the counters and the configuration. Wrap the affinity layer around this one, not inside it.
#[derive(Clone)]
pub struct SessionLayer {
    shared: Arc<Shared>,
}

impl SessionLayer {
    /// Sessions over anything that becomes a backend: a store, or what `unstick::store::from_url` returns, so that environments
    /// differ by a URL and not by code. `keys` sign the credentials, or seal what the client carries.
    #[allow(clippy::new_ret_no_self, reason = "a layer has settings; its builder is made first")]
    pub fn new<S: IntoBackend>(source: S, keys: KeyRing) -> SessionLayerBuilder<crate::builder::InStore<S>> {
        SessionLayerBuilder::over(source, keys)
    }

    /// Sessions in a server-side store, with credentials signed by `keys`. As [`new`](Self::new), for stores only.
    pub fn keyed<S: Store>(store: S, keys: KeyRing) -> SessionLayerBuilder<crate::builder::InStore<S>> {
        Self::new(store, keys)
    }

    /// Sessions in a finished backend of its own kind, such as a token that the client carries, with names, keys and lifetimes of its own.
    pub fn backend<B: SessionBackend>(backend: B) -> SessionLayerBuilder<crate::builder::Own<B>> {
        SessionLayerBuilder::own(backend)
    }

    pub(crate) fn from_shared(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// How far the sessions reach; what the affinity layer asks before it disables affinity.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.shared.engine.scope()
    }

    /// The backend's short name.
    #[must_use]
    pub fn backend_name(&self) -> &'static str {
        self.shared.engine.name()
    }

    /// How many requests found their session, and how many had lost it.
    #[must_use]
    pub fn continuity(&self) -> Continuity {
        self.shared.env.counters.read()
    }

    /// Commits that go on although their client is gone. A process that ends before they do leaves their outcome open: wait for
    /// [`Pending::idle`] after the last request.
    #[must_use]
    pub fn pending(&self) -> Pending {
        self.shared.env.detached.clone()
    }

    /// Sessions by principal: list them, end one, end the others.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions { shared: self.shared.clone() }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService::new(inner, self.shared.clone())
    }
}

impl fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer").field("backend", &self.backend_name()).field("scope", &self.scope()).finish_non_exhaustive()
    }
}

/// Administration of sessions: "sign out everywhere", device lists. Made by [`SessionLayer::sessions`].
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

impl Sessions {
    /// The principal's live sessions, oldest first.
    ///
    /// # Errors
    /// When the backend could not answer, or keeps no index ([`ErrorKind::Unsupported`]).
    pub async fn list(&self, principal: &str) -> Result<Vec<SessionEntry>, SessionError> {
        let env = &self.shared.env;
        Ok(within(env, env.deadline, self.index()?.list(env.op(), principal)).await?)
    }

    /// Ends one session; whether it was live.
    ///
    /// # Errors
    /// When the backend could not answer.
    pub async fn end(&self, key: RecordKey) -> Result<bool, SessionError> {
        let ended = self.shared.engine.end_by_key(&self.shared.env, key).await?;
        Ok(matches!(ended, Ended::Done { was_live: true }))
    }

    /// Ends all sessions of `principal` but `keep`, at once on every node; returns how many were live, as far as the backend
    /// can count them: sessions that clients carry are ended by a deny-list and not counted.
    ///
    /// # Errors
    /// When the backend could not answer, or keeps no index ([`ErrorKind::Unsupported`]).
    pub async fn end_others(&self, principal: &str, keep: Option<RecordKey>) -> Result<u64, SessionError> {
        let env = &self.shared.env;
        let ended = self.index()?.end_others(env.op(), principal, keep, env.lifetimes.tolerated_skew());
        Ok(within(env, env.deadline, ended).await?)
    }

    fn index(&self) -> Result<&dyn unstick_core::PrincipalIndex, SessionError> {
        let none = || SessionError::new(ErrorKind::Unsupported, "this backend keeps no index by principal");
        self.shared.engine.principal_index().ok_or_else(none)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}
