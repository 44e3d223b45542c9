//! axum 0.8: `Session` as an extractor, `SessionError` as a response.

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::{
    Session, SessionError,
    failure::{Failure, plain},
};

/// The request did not pass through a [`SessionLayer`](crate::SessionLayer): answered with 500.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct MissingLayer;

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        tracing::error!(target: "unstick", "a handler asks for a Session, but no SessionLayer wraps its route");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingLayer> {
        parts.extensions.get::<Self>().cloned().ok_or(MissingLayer)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl IntoResponse for SessionError {
    /// The layer replaces this answer by that of its [`OnFailure`](crate::failure::OnFailure) hook.
    fn into_response(self) -> Response {
        let mut response = plain(&self).map(Body::from);
        response.extensions_mut().insert(Failure { error: self, grpc: false });
        response
    }
}
