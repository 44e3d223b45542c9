//! The service: applies what the request brings along, then gives it a scope of its own.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, Version, header::CONTENT_TYPE};
use tower_service::Service;

use super::{ClientWrites, ResponseBody, ResponseFuture, intake, shared::Shared};

/// Middleware made by [`ReadYourWritesLayer`](super::ReadYourWritesLayer).
#[derive(Clone)]
pub struct ReadYourWrites<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> ReadYourWrites<S> {
    pub(super) const fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<S, A, B> Service<Request<A>> for ReadYourWrites<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // gRPC is HTTP/2 only, and its clients keep no cookies.
        let is_grpc = request.version() == Version::HTTP_2
            && request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        let intake = intake::look(&self.shared, request.headers(), is_grpc);
        let writes = ClientWrites::new(intake.bypasses);
        request.extensions_mut().insert(writes.clone());
        let inner = writes.within(|| self.inner.call(request));
        ResponseFuture::new(inner, writes, intake, self.shared.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for ReadYourWrites<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadYourWrites").field("inner", &self.inner).finish_non_exhaustive()
    }
}
