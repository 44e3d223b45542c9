use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::{Head, ResponseFuture, builder::Config, unpin::Unpinning};

/// The service of [`AffinityLayer`](crate::AffinityLayer). Any bodies, any error.
#[derive(Debug, Clone)]
pub struct Affinity<S> {
    pub(crate) inner: S,
    pub(crate) config: Arc<Config>,
}

impl<S, B, R> Service<Request<B>> for Affinity<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let unpinning = Unpinning::of(&self.config, &Head::new(request.method(), request.uri(), request.headers()));
        ResponseFuture { inner: self.inner.call(request), unpinning }
    }
}
