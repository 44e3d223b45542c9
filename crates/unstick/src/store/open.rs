//! Opening what a URL names.

use std::{fmt, time::Duration};

use unstick_core::{ConfigError, Events, Runtime};

use super::{
    AnyStore, Source, StoreError,
    migrate::{Migrate, Step},
    pair::Pair,
};
use crate::url::{STORE, shown};

/// Opens what a URL names. See the [module docs](super) for the URLs.
///
/// # Errors
/// [`StoreError`] with what to write instead, or why the store cannot be opened.
///
/// # Cancel safety
/// Dropping the future leaves no store open; a database file or tables may have been created.
pub async fn from_url(url: &str) -> Result<Source, StoreError> {
    options(url).open().await
}

/// As [`from_url`], with settings that are no part of a URL.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use unstick::{Events, Scope, store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = store::options("memory:").events(Events::new("node-1")).open().await?;
/// assert_eq!(source.scope(), Scope::Process);
/// # Ok(()) }
/// # main().unwrap();
/// # }
/// ```
pub fn options(url: &str) -> StoreOptions {
    StoreOptions::of(Place::Url(url.into()))
}

/// Two stores, by their URLs, while sessions go from the one to the other. See [`migrate`](super::migrate) for the procedure.
pub fn migrating(from: &str, to: &str, step: Step) -> StoreOptions {
    StoreOptions::of(Place::Migration { from: from.into(), to: to.into(), step, quiet: None })
}

/// Two stores as one that survives the loss of either, by their URLs and that of the witness, if there is one. Feature `replicated`, whose
/// crate, `unstick::replicated`, tells what is promised, and what a witness is for.
///
/// It reaches as far as the one among them that reaches least. By default it can be opened only while all of them answer;
/// `?start=lazy` behind the URLs of Redis lets a node start while one is away.
///
/// ```
/// # #[cfg(all(feature = "memory", feature = "replicated", feature = "sqlite"))] {
/// use std::time::Duration;
/// use unstick::{Scope, store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let [a, b, w] = ["a", "b", "w"].map(|name| format!("sqlite:{}", directory.path().join(name).display()));
/// let source = store::replicating([&a, &b], Some(&w)).patience(Duration::from_millis(100)).open().await?;
/// assert_eq!(source.scope(), Scope::Host);
///
/// let refused = store::replicating([&a, &a], None).open().await.unwrap_err();
/// assert!(refused.to_string().contains("one place"));
/// # Ok(()) }
/// # main().unwrap();
/// # }
/// ```
pub fn replicating(stores: [&str; 2], witness: Option<&str>) -> StoreOptions {
    StoreOptions::of(Place::Replicated(Pair { stores: stores.map(Into::into), witness: witness.map(Into::into), patience: None }))
}

#[derive(Clone)]
enum Place {
    Url(Box<str>),
    Migration { from: Box<str>, to: Box<str>, step: Step, quiet: Option<Duration> },
    Replicated(Pair),
}

/// What to open and with which settings. Made by [`options`], [`migrating`] and [`replicating`].
#[derive(Clone)]
#[must_use]
pub struct StoreOptions {
    place: Place,
    events: Events,
    runtime: Runtime,
}

/// Redacts what may be a password.
impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("StoreOptions");
        match &self.place {
            Place::Url(url) => debug.field("url", &shown(url)),
            Place::Migration { from, to, step, .. } => debug.field("from", &shown(from)).field("to", &shown(to)).field("step", step),
            Place::Replicated(Pair { stores, witness, .. }) => {
                debug.field("stores", &stores.each_ref().map(|url| shown(url))).field("witness", &witness.as_deref().map(shown))
            }
        };
        debug.finish_non_exhaustive()
    }
}

impl StoreOptions {
    fn of(place: Place) -> Self {
        Self { place, events: Events::default(), runtime: Runtime::tokio() }
    }

    /// Where the store's own events go: sweeps that failed, connections that were lost and healed, sessions that moved. Give it the session
    /// layer's. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Clocks, timers and tasks. Default [`Runtime::tokio`]; give it the session layer's when that one has a clock of its own.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// As [`Migrate::quiet`]; without effect when there is no migration.
    pub fn quiet(mut self, time: Duration) -> Self {
        if let Place::Migration { quiet, .. } = &mut self.place {
            *quiet = Some(time);
        }
        self
    }

    /// How long one of two replicated stores may keep a request waiting before the others are asked. Default 250 milliseconds: well above what the
    /// slower one takes on a busy day, and at most a quarter of the session layer's deadline. Without effect where nothing is replicated.
    pub fn patience(mut self, time: Duration) -> Self {
        if let Place::Replicated(pair) = &mut self.place {
            pair.patience = Some(time);
        }
        self
    }

    /// Opens it.
    ///
    /// # Errors
    /// As [`from_url`].
    ///
    /// # Cancel safety
    /// As [`from_url`].
    pub async fn open(&self) -> Result<Source, StoreError> {
        match &self.place {
            Place::Url(url) => match STORE.split(url)? {
                #[cfg(feature = "token")]
                ("token", rest) => self.token(rest).await,
                _ => self.server_side(url).await.map(Source::Store),
            },
            Place::Migration { from, to, step, quiet } => {
                if from == to {
                    return Err(ConfigError::new("a migration from a store to itself: write two different URLs for `from` and `to`").into());
                }
                for url in [from, to] {
                    if url.starts_with("token:") {
                        return Err(ConfigError::new(
                            "`token:` cannot take part in a migration, as no server has its sessions: write the URLs of two stores",
                        )
                        .into());
                    }
                }
                let (old, new) = (self.server_side(from).await?, self.server_side(to).await?);
                let migrate = Migrate::new(old, new, *step).events(self.events.clone());
                let migrate = if let Some(quiet) = quiet { migrate.quiet(*quiet) } else { migrate };
                Ok(AnyStore::foreign(migrate).into())
            }
            Place::Replicated(pair) => {
                pair.check()?;
                self.replicated(pair).await
            }
        }
    }

    #[cfg(feature = "replicated")]
    async fn replicated(&self, pair: &Pair) -> Result<Source, StoreError> {
        let [a, b] = &pair.stores;
        let (a, b) = (self.server_side(a).await?, self.server_side(b).await?);
        let builder = unstick_replicated::Replicated::builder(a, b).events(self.events.clone()).runtime(self.runtime.clone());
        let builder = if let Some(patience) = pair.patience { builder.patience(patience) } else { builder };
        Ok(match &pair.witness {
            Some(witness) => AnyStore::foreign(builder.witness(self.server_side(witness).await?).build()),
            None => AnyStore::foreign(builder.build()),
        }
        .into())
    }

    #[cfg(not(feature = "replicated"))]
    #[allow(clippy::unused_async, reason = "as with the feature")]
    async fn replicated(&self, _: &Pair) -> Result<Source, StoreError> {
        Err(crate::url::not_compiled_in("a replicated store", "replicated").into())
    }

    #[cfg(feature = "token")]
    async fn token(&self, rest: &str) -> Result<Source, StoreError> {
        let (mut token, revocations) = super::TokenSource::of_url(rest)?;
        if let Some(url) = revocations {
            let store = self.server_side(&url).await?;
            token = token.revocations(std::sync::Arc::new(unstick_token::StoreRevocations::new(store)));
        }
        Ok(Source::Token(token))
    }

    #[allow(clippy::unused_async, reason = "as with all features")]
    async fn server_side(&self, url: &str) -> Result<AnyStore, StoreError> {
        let _ = (&self.events, &self.runtime); // used by what is compiled in
        match STORE.split(url)? {
            #[cfg(feature = "memory")]
            ("memory", rest) => self.memory(rest),
            #[cfg(feature = "sqlite")]
            ("sqlite", _) => {
                let builder = unstick_sql::sqlite::SqliteStore::builder(url).events(self.events.clone()).runtime(self.runtime.clone());
                Ok(AnyStore::Sqlite(builder.connect().await?))
            }
            #[cfg(feature = "postgres")]
            ("postgres" | "postgresql", _) => {
                let builder = unstick_sql::postgres::PostgresStore::builder(url).events(self.events.clone()).runtime(self.runtime.clone());
                Ok(AnyStore::Postgres(builder.connect().await?))
            }
            #[cfg(feature = "mysql")]
            ("mysql" | "mariadb", _) => {
                let builder = unstick_sql::mysql::MySqlStore::builder(url).events(self.events.clone()).runtime(self.runtime.clone());
                Ok(AnyStore::MySql(builder.connect().await?))
            }
            #[cfg(feature = "redis")]
            ("redis" | "redis-sentinel" | "redis-cluster", _) => self.redis(url).await,
            #[cfg(feature = "redis-tls")]
            ("rediss" | "rediss-sentinel" | "rediss-cluster", _) => self.redis(url).await,
            #[cfg(feature = "token")]
            ("token", _) => Err(ConfigError::new("`token:` keeps nothing that others could ask for: write the URL of a store").into()),
            (other, _) => Err(STORE.refused(other).into()),
        }
    }

    #[cfg(feature = "memory")]
    fn memory(&self, rest: &str) -> Result<AnyStore, StoreError> {
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        if !path.is_empty() && path != "//" {
            return Err(ConfigError::new("`memory:` has no path: write `memory:`, or `sqlite:PATH` to keep sessions in a file").into());
        }
        let mut options = crate::query::Options::parse("memory", options)?;
        let limit: Option<std::num::NonZeroUsize> = options.take("max_sessions", "a number above 0")?;
        options.finish()?;
        let builder = unstick_memory::MemoryStore::builder().runtime(self.runtime.clone());
        let builder = if let Some(limit) = limit { builder.max_sessions(limit.get()) } else { builder };
        Ok(AnyStore::Memory(builder.build()))
    }

    #[cfg(feature = "redis")]
    async fn redis(&self, url: &str) -> Result<AnyStore, StoreError> {
        let builder = unstick_redis::RedisClient::builder(url).events(self.events.clone()).runtime(self.runtime.clone());
        Ok(AnyStore::Redis(unstick_redis::RedisStore::new(&builder.connect().await?)?))
    }
}
