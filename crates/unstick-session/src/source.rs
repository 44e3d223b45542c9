//! What a layer can be built over: anything that becomes a backend once the layer's settings are known.

use std::num::NonZeroU32;

use unstick_core::{ConfigError, Events, KeyRing, Lifetimes, Runtime, Scope, SessionBackend, Store};

use crate::Keyed;

/// The settings of a layer that its backend must know.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Setup<'a> {
    /// The keys that sign credentials, or seal whatever the client carries.
    pub keys: &'a KeyRing,
    /// The cookie's name: what is signed for one name is forged for any other.
    pub cookie: &'a str,
    /// The header's name, in lower case; empty when credentials in headers are ignored.
    pub header: &'a str,
    /// Timeouts of sessions and ids.
    pub lifetimes: Lifetimes,
    /// Limit on sessions per principal.
    pub max_sessions: Option<NonZeroU32>,
    /// Clocks, timers and tasks.
    pub runtime: &'a Runtime,
    /// Where events go.
    pub events: &'a Events,
}

/// Becomes a [`SessionBackend`] when a layer is built. Every [`Store`] does; implement it for what is no store.
///
/// ```
/// use unstick_core::{ConfigError, Key, KeyRing};
/// use unstick_memory::MemoryStore;
/// use unstick_session::{IntoBackend, Keyed, SessionLayer, Setup};
///
/// /// Asks for its store only when a layer wants it.
/// struct Later;
///
/// impl IntoBackend for Later {
///     type Backend = Keyed<MemoryStore>;
///
///     fn into_backend(self, setup: &Setup<'_>) -> Result<Self::Backend, ConfigError> {
///         MemoryStore::new().into_backend(setup)
///     }
/// }
///
/// let layer = SessionLayer::new(Later, KeyRing::new(Key::generate()?)).build()?;
/// assert_eq!(layer.backend_name(), "memory");
/// # Ok::<(), ConfigError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "no session layer can be built over `{Self}`",
    note = "pass a store, or what `unstick::store::from_url` returns; a finished backend goes to `SessionLayer::backend`"
)]
pub trait IntoBackend {
    /// The backend.
    type Backend: SessionBackend;

    /// Makes the backend.
    ///
    /// # Errors
    /// When the layer's settings cannot work with it; the sentence names them.
    fn into_backend(self, setup: &Setup<'_>) -> Result<Self::Backend, ConfigError>;
}

impl<S: Store> IntoBackend for S {
    type Backend = Keyed<S>;

    fn into_backend(self, setup: &Setup<'_>) -> Result<Keyed<S>, ConfigError> {
        if self.scope() == Scope::Client {
            return Err(ConfigError::new(format!(
                "`{}` sessions travel in the client, and no store can keep them: write `SessionLayer::backend(…)`, or \
                 `SessionLayer::new(…, keys)` with what `store::from_url` returns",
                self.name()
            )));
        }
        if setup.max_sessions.is_some() && self.principal_index().is_none() {
            return Err(ConfigError::new(format!(
                "`max_sessions_per_principal` needs an index by principal, which the `{}` store does not keep",
                self.name()
            )));
        }
        Ok(Keyed::new(self, setup))
    }
}
