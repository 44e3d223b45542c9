//! Choosing a session store by URL, so that environments differ by configuration and not by code.
//!
//! | URL | feature | store |
//! |---|---|---|
//! | `memory:` | `memory` | this process; `?max_sessions=N` is its limit |
//! | `sqlite:PATH` | `sqlite` | a file; relative to the working directory, or absolute as `sqlite:///var/lib/shop/sessions.sqlite`; options as `SqliteStore` documents them |
//!
//! ```
//! use unstick::{Scope, core::Store, store};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = store::from_url("memory:?max_sessions=1000").await?;
//! assert_eq!(store.scope(), Scope::Process);
//!
//! let error = store::from_url("redis://127.0.0.1").await.unwrap_err();
//! assert!(error.to_string().contains("write `sqlite:PATH`"));
//! # Ok(()) }
//! ```

mod foreign;
pub mod migrate;
#[cfg(any(feature = "memory", test))]
mod options;
mod url;

use std::{error::Error as StdError, fmt};

#[cfg(feature = "memory")]
use unstick_memory::MemoryStore;
#[cfg(feature = "sqlite")]
use unstick_sql::sqlite::SqliteStore;

use unstick_core::{
    Applied, Change, ConfigError, Created, Decide, Ended, Error, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, RecordKey, Renewal,
    Rotated, Rotation, Scope, Store, Timestamp,
};

/// A store whose kind was chosen at run time. Built-in kinds cost nothing extra; a foreign one costs a box per operation.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyStore {
    /// In this process.
    #[cfg(feature = "memory")]
    Memory(MemoryStore),
    /// In an SQLite file.
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteStore),
    /// From outside the family: see [`AnyStore::foreign`].
    Foreign(Foreign),
}

/// A boxed store.
// `DynStore` is not imported: its methods would be ambiguous with those of `Store`.
#[derive(Debug)]
pub struct Foreign(Box<dyn foreign::DynStore>);

impl AnyStore {
    /// Any other store, for applications that choose between it and the built-in ones.
    #[must_use]
    pub fn foreign(store: impl Store) -> Self {
        Self::Foreign(Foreign(Box::new(store)))
    }
}

/// Opens the store that a URL names. See the [module docs](self).
///
/// # Errors
/// [`StoreError`] with what to write instead, or why the store cannot be opened.
///
/// # Cancel safety
/// Dropping the future leaves no store open; a database file may have been created.
pub async fn from_url(url: &str) -> Result<AnyStore, StoreError> {
    match url::split(url)? {
        ("memory", rest) => memory(rest),
        ("sqlite", _) => sqlite(url).await,
        (other, _) => Err(url::unknown(other).into()),
    }
}

#[cfg(feature = "memory")]
fn memory(rest: &str) -> Result<AnyStore, StoreError> {
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.is_empty() && path != "//" {
        return Err(ConfigError::new("`memory:` has no path: write `memory:`, or `sqlite:PATH` to keep sessions in a file").into());
    }
    let mut options = options::Options::parse("memory", options)?;
    let limit: Option<std::num::NonZeroUsize> = options.take("max_sessions", "a number above 0")?;
    options.finish()?;
    let builder = MemoryStore::builder();
    let builder = if let Some(limit) = limit { builder.max_sessions(limit.get()) } else { builder };
    Ok(AnyStore::Memory(builder.build()))
}

#[cfg(not(feature = "memory"))]
fn memory(_: &str) -> Result<AnyStore, StoreError> {
    Err(url::missing("memory").into())
}

#[cfg(feature = "sqlite")]
async fn sqlite(url: &str) -> Result<AnyStore, StoreError> {
    Ok(AnyStore::Sqlite(SqliteStore::connect(url).await?))
}

#[cfg(not(feature = "sqlite"))]
#[allow(clippy::unused_async, reason = "as with the feature")]
async fn sqlite(_: &str) -> Result<AnyStore, StoreError> {
    Err(url::missing("sqlite").into())
}

/// A store cannot be had: its URL is wrong, or what it names cannot be opened. One sentence that says what to write or to mend.
#[derive(Debug)]
pub struct StoreError(ConfigError);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for StoreError {}

impl From<ConfigError> for StoreError {
    fn from(error: ConfigError) -> Self {
        Self(error)
    }
}

/// Calls whichever store it is.
macro_rules! each {
    ($any:expr, $store:ident => $call:expr) => {
        match $any {
            #[cfg(feature = "memory")]
            AnyStore::Memory($store) => $call,
            #[cfg(feature = "sqlite")]
            AnyStore::Sqlite($store) => $call,
            AnyStore::Foreign(Foreign($store)) => $call,
        }
    };
}

impl Store for AnyStore {
    fn scope(&self) -> Scope {
        each!(self, store => store.scope())
    }
    fn name(&self) -> &'static str {
        each!(self, store => store.name())
    }
    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        each!(self, store => store.create(op, key, new).await)
    }
    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        each!(self, store => store.load(op, key, presented, renewal).await)
    }
    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        each!(self, store => store.apply(op, key, presented, change).await)
    }
    async fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<Rotated, Error> {
        each!(self, store => store.rotate(op, key, presented, rotation, change).await)
    }
    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        each!(self, store => store.end(op, key, presented, until).await)
    }
    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        each!(self, store => store.sweep(op, limit).await)
    }
    async fn update_locked(&self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        each!(self, store => store.update_locked(op, key, presented, decide).await)
    }
    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        each!(self, store => store.principal_index())
    }
}
