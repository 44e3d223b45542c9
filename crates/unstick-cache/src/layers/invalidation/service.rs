//! The service.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::{
    Invalidates, InvalidationLayer, ResponseFuture,
    future::{Due, Guard},
};

/// Middleware made by [`InvalidationLayer`].
#[derive(Debug, Clone)]
pub struct Invalidation<S> {
    inner: S,
    layer: InvalidationLayer,
}

impl<S> Invalidation<S> {
    pub(super) const fn new(inner: S, layer: InvalidationLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S, A, B> Service<Request<A>> for Invalidation<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let what = match &self.layer.by {
            Some(by) if !parts.method.is_safe() => by(&parts),
            _ => Invalidates::nothing(),
        };
        let due = Due { what, after_server_errors: self.layer.after_server_errors };
        let guard = Guard::new(self.layer.namespace.clone(), due);
        ResponseFuture::new(self.inner.call(Request::from_parts(parts, body)), guard)
    }
}
