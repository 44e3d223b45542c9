//! What the client is told when its session cannot be read or saved.
//!
//! ```
//! use bytes::Bytes;
//! use unstick_session::failure::{Failure, OnFailure};
//!
//! let hook = |failure: &Failure| {
//!     http::Response::builder().status(503).body(Bytes::from(format!("{{\"retry\":{}}}", failure.is_retryable()))).unwrap()
//! };
//! let failure = Failure::example();
//! assert_eq!(hook.respond(&failure).status(), 503);
//! assert_eq!(().respond(&failure).headers()["retry-after"], "1", "the default");
//! ```

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};
use unstick_core::ErrorKind;

use crate::SessionError;

/// A read or commit that failed; also left in the extensions of the answer.
#[derive(Debug, Clone)]
pub struct Failure {
    pub(crate) error: SessionError,
    pub(crate) grpc: bool,
}

impl Failure {
    /// A failure to try hooks on: the backend did not answer in time.
    #[must_use]
    pub fn example() -> Self {
        Self { error: SessionError::new(ErrorKind::Timeout, "no answer within the deadline"), grpc: false }
    }

    /// Why.
    #[must_use]
    pub fn error(&self) -> &SessionError {
        &self.error
    }

    /// Whether the request was gRPC, so that the answer must be a status in the trailers.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.error.is_retryable()
    }
}

/// Makes the answer to a failed read or commit. Implemented for closures, and for `()`: the default.
///
/// The default is 503 with `Retry-After: 1`, and for gRPC `grpc-status: 14` (unavailable). Our headers for private
/// answers are added afterwards; a `Set-Cookie` for the session only when an operation before the failed one has given the
/// client another credential, [`Session::save`](crate::Session::save) for example: the old one may be worthless by now.
pub trait OnFailure: Send + Sync + 'static {
    /// The answer.
    fn respond(&self, failure: &Failure) -> Response<Bytes>;
}

impl<F: Fn(&Failure) -> Response<Bytes> + Send + Sync + 'static> OnFailure for F {
    fn respond(&self, failure: &Failure) -> Response<Bytes> {
        self(failure)
    }
}

impl OnFailure for () {
    fn respond(&self, failure: &Failure) -> Response<Bytes> {
        if failure.grpc { grpc(&failure.error) } else { plain(&failure.error) }
    }
}

pub(crate) fn plain(error: &SessionError) -> Response<Bytes> {
    let status = error.status_code();
    let text = if status.is_server_error() && !error.is_retryable() {
        "internal error" // a defect's message is for the log
    } else if error.is_outcome_unknown() {
        "the session backend did not answer in time; the change may or may not have been saved"
    } else {
        match error.kind() {
            ErrorKind::Refused => "the session changed while the request was in flight; nothing was saved",
            ErrorKind::TooLarge => "the session is too large",
            ErrorKind::TooManySessions => "too many sessions",
            _ => "the session backend is unavailable; nothing was saved",
        }
    };
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if error.is_retryable() {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn grpc(error: &SessionError) -> Response<Bytes> {
    let (status, message) = match error.kind() {
        _ if error.is_retryable() => ("14", "session%20unavailable"),
        ErrorKind::TooLarge | ErrorKind::TooManySessions => ("8", "session%20limit"),
        _ => ("13", "internal%20error"),
    };
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(status));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    response
}

/// Whether a response tells of a server-side failure, so that the handler's buffered changes are discarded.
pub(crate) fn is_server_error<B>(response: &Response<B>, grpc: bool) -> bool {
    if response.status().is_server_error() {
        return true;
    }
    // UNKNOWN, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
    grpc && response.headers().get("grpc-status").is_some_and(|status| matches!(status.as_bytes(), b"2" | b"12" | b"13" | b"14" | b"15"))
}
