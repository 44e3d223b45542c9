//! Configuration of the layer; what cannot work is refused here.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use unstick_core::{Carriage, ConfigError, Events, HeaderBudget, KeyRing, Lifetimes, Runtime, SessionBackend};

use crate::{
    IntoBackend, SessionLayer, Setup,
    continuity::Counters,
    cookie::CookieConfig,
    engine::Shared,
    env::{Env, OpIds},
    failure::OnFailure,
};

/// A store, or whatever else becomes a backend, as a builder's source.
#[derive(Debug)]
pub struct InStore<S> {
    source: S,
    keys: KeyRing,
    max_sessions: Option<NonZeroU32>,
}

/// A backend of its own kind, as a builder's source.
#[derive(Debug)]
pub struct Own<B>(B);

/// Makes a [`SessionLayer`]. Start with [`SessionLayer::new`] or [`SessionLayer::backend`].
#[must_use]
pub struct SessionLayerBuilder<K> {
    kind: K,
    runtime: Runtime,
    events: Events,
    lifetimes: Lifetimes,
    cookie: CookieConfig,
    header: Option<String>,
    deadline: Duration,
    max_size: usize,
    budget: usize,
    commit_on_server_error: bool,
    clear_site_data: Option<String>,
    on_failure: Arc<dyn OnFailure>,
    #[cfg(feature = "lifeboat")]
    lifeboat: Option<crate::lifeboat::Lifeboat>,
}

impl<S: IntoBackend> SessionLayerBuilder<InStore<S>> {
    pub(crate) fn over(source: S, keys: KeyRing) -> Self {
        Self::with(InStore { source, keys, max_sessions: None })
    }

    /// At most this many live sessions per principal; a [`promote`](crate::Session::promote) beyond that fails with
    /// [`TooManySessions`](unstick_core::ErrorKind::TooManySessions). Default: no limit. Needs a store with an index by principal.
    pub fn max_sessions_per_principal(mut self, max: NonZeroU32) -> Self {
        self.kind.max_sessions = Some(max);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    /// When settings cannot work together, or with this store; the sentence names them.
    pub fn build(self) -> Result<SessionLayer, ConfigError> {
        let immediate = self.kind.max_sessions.is_some();
        let (env, kind) = self.env(immediate)?;
        let setup = Setup {
            keys: &kind.keys,
            cookie: env.cookie.name(),
            header: env.header.as_ref().map_or("", HeaderName::as_str),
            lifetimes: env.lifetimes,
            max_sessions: kind.max_sessions,
            runtime: &env.runtime,
            events: &env.events,
        };
        let backend = kind.source.into_backend(&setup)?;
        layer(env, backend)
    }
}

impl<B: SessionBackend> SessionLayerBuilder<Own<B>> {
    pub(crate) fn own(backend: B) -> Self {
        Self::with(Own(backend))
    }

    /// Builds the layer.
    ///
    /// # Errors
    /// When settings cannot work together; the sentence names them.
    pub fn build(self) -> Result<SessionLayer, ConfigError> {
        let (env, Own(backend)) = self.env(false)?;
        layer(env, backend)
    }
}

fn layer(env: Env, backend: impl SessionBackend) -> Result<SessionLayer, ConfigError> {
    env.cookie.check_text(backend.name(), backend.max_text(), env.budget)?;
    #[cfg(feature = "lifeboat")]
    if env.lifeboat.is_some() && backend.scope() == unstick_core::Scope::Client {
        return Err(ConfigError::new(format!(
            "`lifeboat` over `{}`: these sessions travel in the client, and there is no backend that could be down; drop `lifeboat`",
            backend.name()
        )));
    }
    let header = env.header.as_ref().map(HeaderName::as_str);
    for (what, carriage, name) in [("cookie", Carriage::Cookie, Some(env.cookie.name())), ("header", Carriage::Header, header)] {
        if let (Some(name), Some(sealed_for)) = (name, backend.name_of(carriage))
            && name != sealed_for
        {
            let (kind, sealed_for) = (backend.name(), if sealed_for.is_empty() { "no name" } else { sealed_for });
            return Err(ConfigError::new(format!(
                "the {what} is called `{name}`, but the `{kind}` backend seals for `{sealed_for}`; give both one name (`{what}_name`)"
            )));
        }
    }
    Ok(SessionLayer::from_shared(Arc::new(Shared { env: Arc::new(env), engine: Arc::new(backend) })))
}

impl<K> SessionLayerBuilder<K> {
    fn with(kind: K) -> Self {
        Self {
            kind,
            runtime: Runtime::tokio(),
            events: Events::default(),
            lifetimes: Lifetimes::new(),
            cookie: CookieConfig::default(),
            header: None,
            deadline: Duration::from_secs(2),
            max_size: 256 * 1024,
            budget: HeaderBudget::DEFAULT,
            commit_on_server_error: false,
            clear_site_data: None,
            on_failure: Arc::new(()),
            #[cfg(feature = "lifeboat")]
            lifeboat: None,
        }
    }

    /// Idle and absolute timeouts, grace, tolerated skew. Default: [`Lifetimes::new`].
    pub fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// The session cookie. Default: [`CookieConfig::default`], `__Host-id`.
    pub fn cookie(mut self, cookie: CookieConfig) -> Self {
        self.cookie = cookie;
        self
    }

    /// Also accepts the credential in this request header, and then answers in the same response header instead of a
    /// cookie: for clients that keep no cookies, and gRPC metadata. A client that has no credential yet sends the header
    /// with any other value, `new` for example. Default: off, a credential in a header is ignored.
    pub fn header(mut self, name: &str) -> Self {
        self.header = Some(name.to_owned());
        self
    }

    /// How long one backend operation may take before the client is told 503. Default 2 seconds; keep it below the
    /// balancer's timeout. A store's own timeouts (SQLite's busy timeout, say) must be shorter.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Limit on a session's keys and values, in bytes. Default 256 KiB. A change beyond it fails with `TooLarge`.
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// Bytes of header lines that all unstick layers may add to one response. Default 3 KB: nginx reads a response head
    /// into 4 KB unless told otherwise.
    pub fn header_budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// Where events go, with the instance's name. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Clocks, timers and tasks. Default: [`Runtime::tokio`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Makes the answer to a failed read or commit. Default: 503 with `Retry-After`, see [`OnFailure`].
    pub fn on_failure(mut self, hook: impl OnFailure) -> Self {
        self.on_failure = Arc::new(hook);
        self
    }

    /// Lets chosen values ride in a sealed cookie, so that users go on while the backend is down; see
    /// [`lifeboat`](crate::lifeboat) for what that promises. Default: off, and then a failed read or commit is answered with 503.
    #[cfg(feature = "lifeboat")]
    pub fn lifeboat(mut self, lifeboat: crate::lifeboat::Lifeboat) -> Self {
        self.lifeboat = Some(lifeboat);
        self
    }

    /// Commits what a handler buffered even when it answers 5xx. By default that is discarded (an `end` never is).
    pub fn commit_on_server_error(mut self) -> Self {
        self.commit_on_server_error = true;
        self
    }

    /// Sends `Clear-Site-Data` with this value, such as `"cache", "storage"` with its quotes, when a session is ended. Default: off.
    pub fn clear_site_data_on_end(mut self, directives: &str) -> Self {
        self.clear_site_data = Some(directives.to_owned());
        self
    }

    fn env(self, immediate_promotion: bool) -> Result<(Env, K), ConfigError> {
        let header = self.header.map(|name| {
            let refused = |_| ConfigError::new(format!("`header`: {name:?} is not a header name"));
            HeaderName::try_from(name.as_str()).map_err(refused)
        });
        let header = header.transpose()?;
        if let Some(name) = &header
            && ["cookie", "set-cookie", "authorization", "host", "content-type", "vary"].contains(&name.as_str())
        {
            return Err(ConfigError::new(format!("`header`: {name} has a meaning of its own; use a name such as x-session")));
        }
        let clear_site_data = self.clear_site_data.map(HeaderValue::try_from).transpose();
        let clear_site_data = clear_site_data.map_err(|_| ConfigError::new("`clear_site_data_on_end` is not a header value"))?;
        let lifetimes = self.lifetimes.check()?;
        let cookie = self.cookie.check()?;
        if self.deadline < Duration::from_millis(10) {
            return Err(ConfigError::new(format!("`deadline` is {:?}; it must be at least 10 ms", self.deadline)));
        }
        if self.max_size == 0 {
            return Err(ConfigError::new("`max_size` is 0; no session could hold anything"));
        }
        let least = 256 + cookie.variable_len();
        if self.budget < least {
            return Err(ConfigError::new(format!("`header_budget` is {} bytes, but the session cookie alone needs {least}", self.budget)));
        }
        #[cfg(feature = "lifeboat")]
        let lifeboat = self.lifeboat.map(|lifeboat| lifeboat.build(&cookie, &lifetimes, self.budget, header.is_some())).transpose()?;
        let env = Env {
            #[cfg(feature = "lifeboat")]
            lifeboat,
            runtime: self.runtime,
            events: self.events,
            lifetimes,
            cookie,
            header,
            deadline: self.deadline,
            max_size: self.max_size,
            budget: self.budget,
            commit_on_server_error: self.commit_on_server_error,
            clear_site_data,
            immediate_promotion,
            counters: Counters::default(),
            on_failure: self.on_failure,
            ops: OpIds::new()?,
            backend: unstick_core::Availability::default(),
            detached: unstick_core::Pending::default(),
        };
        Ok((env, self.kind))
    }
}

/// All settings but hooks and clocks.
impl<K: fmt::Debug> fmt::Debug for SessionLayerBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayerBuilder")
            .field("kind", &self.kind)
            .field("lifetimes", &self.lifetimes)
            .field("cookie", &self.cookie)
            .field("header", &self.header)
            .field("deadline", &self.deadline)
            .field("max_size", &self.max_size)
            .field("header_budget", &self.budget)
            .field("commit_on_server_error", &self.commit_on_server_error)
            .field("clear_site_data_on_end", &self.clear_site_data)
            .finish_non_exhaustive()
    }
}
