//! The error of session operations, and the answer that a client gets for it.

use std::{error::Error as StdError, fmt};

use http::StatusCode;
use unstick_core::{Error, ErrorKind};

/// A session operation failed. "No session" is never an error; this means that the question could not be answered or the change not be saved.
///
/// Under feature `axum-08` it is a response: 503 with `Retry-After` when asking again may help, see [`status_code`](Self::status_code).
#[derive(Clone)]
pub struct SessionError(Error);

impl SessionError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self(Error::new(kind, message))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    /// Whether a change that got this answer may have been saved all the same ("outcome unknown").
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        self.0.is_outcome_unknown()
    }

    /// Whether the same request may succeed later: the backend is at fault, or the session's id changed while the request was in flight.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.is_backend() || self.0.kind() == ErrorKind::Refused
    }

    /// 503 when [retryable](Self::is_retryable), 413 for a session over its limits, 400 for a principal that
    /// no store should be given, 409 for too many sessions of one principal, 500 for a defect of the application (a value of another type, a change after the headers left).
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        match self.0.kind() {
            _ if self.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::TooManySessions => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl fmt::Debug for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for SessionError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
