//! axum 0.8: `Invalidations` as an extractor, `LoadError` as a response. A `Cache` or `Namespace` is cheap to clone and comes by `State`.

use std::convert::Infallible;

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, RETRY_AFTER},
    request::Parts,
};

use super::Invalidations;
use crate::{LoadError, LoadErrorKind};

/// The request did not pass through an [`InvalidationLayer`](super::InvalidationLayer): answered with 500.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct MissingInvalidationLayer;

impl IntoResponse for MissingInvalidationLayer {
    fn into_response(self) -> Response {
        tracing::error!(target: "unstick", "a handler asks for Invalidations, but no InvalidationLayer wraps its route");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Invalidations {
    type Rejection = MissingInvalidationLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingInvalidationLayer> {
        parts.extensions.get::<Self>().cloned().ok_or(MissingInvalidationLayer)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Invalidations {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl IntoResponse for LoadError {
    /// 404 when there is no such value, 500 when the loader panicked, otherwise 503 with `Retry-After`. The source's own error is for the
    /// log and not in the answer, which no cache may keep.
    fn into_response(self) -> Response {
        let (status, text) = match self.kind() {
            LoadErrorKind::Absent => (StatusCode::NOT_FOUND, "not found"),
            LoadErrorKind::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "temporarily unavailable"),
        };
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after().as_secs().max(1)));
        }
        response
    }
}
