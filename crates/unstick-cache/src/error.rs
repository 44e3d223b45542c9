//! Why a value cannot be had.
//!
//! ```
//! use unstick_cache::{LoadError, LoadErrorKind, Namespace};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let carts = Namespace::local("shop")?.cache::<u64, String>("carts").build()?;
//! let error: LoadError = carts.get_or_load(7, || async { Err::<String, _>("no connection") }).await.unwrap_err();
//! assert_eq!(error.kind(), LoadErrorKind::Failed);
//! assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no connection");
//! # Ok::<(), unstick_core::ConfigError>(()) }).unwrap();
//! ```

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// The loader returned an error, which is the source.
    Failed,
    /// The loader panicked.
    Panicked,
    /// No value within the hard timeout. The load goes on in the background.
    Timeout,
    /// The load was given up: it ran for too long, or the process is shutting down.
    Abandoned,
    /// The source has no such value. Only of [`Cache::get_or_load`](crate::Cache::get_or_load).
    Absent,
}

impl LoadErrorKind {
    /// A short, stable, lowercase name, usable as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
            Self::Absent => "absent",
        }
    }
}

type Source = Arc<dyn Error + Send + Sync>;

/// Why a value cannot be had. Cheap to clone: callers that waited for one load share it. See the [module docs](self).
#[derive(Clone)]
pub struct LoadError {
    kind: LoadErrorKind,
    source: Option<Source>,
}

impl LoadError {
    pub(crate) const fn new(kind: LoadErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn failed(source: Box<dyn Error + Send + Sync>) -> Self {
        Self { kind: LoadErrorKind::Failed, source: Some(source.into()) }
    }

    /// What kind of failure.
    #[must_use]
    pub const fn kind(&self) -> LoadErrorKind {
        self.kind
    }

    /// Whether the source has no such value, which is not a failure.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self.kind, LoadErrorKind::Absent)
    }

    /// When to ask again, for a `Retry-After`.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        Duration::from_secs(1)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            LoadErrorKind::Failed => "the value could not be loaded",
            LoadErrorKind::Panicked => "the loader panicked",
            LoadErrorKind::Timeout => "the value was not loaded in time",
            LoadErrorKind::Abandoned => "the load was given up",
            LoadErrorKind::Absent => "there is no such value",
        })
    }
}

impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
