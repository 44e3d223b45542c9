//! One opaque error for every backend, and the error of bad configuration.
//!
//! Missing, expired, ended or forged sessions are answers, not errors. An [`Error`] means that the
//! question could not be answered.
//!
//! ```
//! use unstick_core::{Error, ErrorKind};
//!
//! let error = Error::new(ErrorKind::Timeout, "no answer from the database within 2s");
//! assert_eq!(error.kind(), ErrorKind::Timeout);
//! assert!(error.is_outcome_unknown(), "the change may or may not have been applied");
//! assert!(error.to_string().contains("no answer"));
//! ```

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

/// Why a backend could not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The backend cannot be reached or refused the operation; nothing was changed.
    Unavailable,
    /// No answer within the deadline: a write may or may not have been applied.
    Timeout,
    /// The connection broke after the operation was sent: a write may or may not have been applied.
    Interrupted,
    /// The operation reached the backend after its deadline and was refused there; nothing was changed.
    Late,
    /// The store is at its own limit and does not drop live sessions to make room.
    Full,
    /// A limit on size or count was exceeded; the message names the key and the limit.
    TooLarge,
    /// Stored bytes were written by a release that this one does not know. They are left as they are.
    UnknownFormat,
    /// Stored bytes cannot be read at all.
    Corrupt,
    /// A name that not every store can keep, such as one with control characters.
    Invalid,
    /// A value cannot be encoded to, or decoded from, the requested type.
    Codec,
    /// The session changed underneath so often that an update could not be placed before its deadline.
    Contended,
    /// The response headers have left: this request can no longer change its session.
    HeadersSent,
    /// The session has ended, or its id was superseded while the request was in flight.
    Refused,
    /// The principal already has as many sessions as the limit allows.
    TooManySessions,
    /// The backend does not have the asked-for ability.
    Unsupported,
    /// A defect; please report it.
    Internal,
}

impl ErrorKind {
    /// A short, stable, lowercase name, usable as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Late => "late",
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::UnknownFormat => "unknown_format",
            Self::Corrupt => "corrupt",
            Self::Invalid => "invalid",
            Self::Codec => "codec",
            Self::Contended => "contended",
            Self::HeadersSent => "headers_sent",
            Self::Refused => "refused",
            Self::TooManySessions => "too_many_sessions",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

type Source = Arc<dyn StdError + Send + Sync>;

/// A backend could not answer. Cheap to clone, so that callers waiting for one load can share it.
///
/// The message is for operators: it holds neither ids, keys nor values.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Source>,
}

impl Error {
    /// Makes an error of `kind`; `message` is lowercase and has no full stop.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), source: None }))
    }

    /// As [`Error::new`], with the cause. The cause's type is not part of this crate's API.
    pub fn with_source(kind: ErrorKind, message: impl Into<Cow<'static, str>>, source: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), source: Some(Arc::new(source)) }))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether a write that got this answer may have been applied all the same.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Timeout | ErrorKind::Interrupted)
    }

    /// Whether the backend (rather than the caller or the data) is at fault, so that asking again later makes sense.
    #[must_use]
    pub fn is_backend(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Interrupted
                | ErrorKind::Late
                | ErrorKind::Full
                | ErrorKind::UnknownFormat
                | ErrorKind::Contended
        )
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// Settings that cannot work together or alone; returned by builders, never at run time.
///
/// The sentence names every setting involved and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Cow<'static, str>);

impl ConfigError {
    /// Makes the error from its sentence.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for ConfigError {}
