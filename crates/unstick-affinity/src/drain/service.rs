use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::{
    body::ResponseBody,
    future::ResponseFuture,
    guard::{DrainGuard, Kept, is_counted},
    handle::Drain,
    headers,
};

/// The service of [`DrainLayer`](super::DrainLayer). Any request body, any error.
#[derive(Debug, Clone)]
pub struct DrainService<S> {
    pub(super) inner: S,
    pub(super) drain: Drain,
}

impl<S> DrainService<S> {
    fn keep<B>(&self, request: &mut Request<B>) -> Kept {
        let ticket = self.drain.registry().enter(request.method(), request.uri(), self.drain.now());
        if headers::may_upgrade(request.method(), request.headers()) {
            let guard = DrainGuard::new(ticket, &self.drain);
            request.extensions_mut().insert(guard.clone());
            Kept::Shared { _guard: guard }
        } else {
            Kept::Alone { _ticket: ticket }
        }
    }
}

impl<S, B, R> Service<Request<B>> for DrainService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let kept = if is_counted(request.extensions(), &self.drain) { None } else { Some(self.keep(&mut request)) };
        let (version, method) = (request.version(), request.method().clone());
        ResponseFuture { inner: self.inner.call(request), kept, drain: self.drain.clone(), version, method }
    }
}
