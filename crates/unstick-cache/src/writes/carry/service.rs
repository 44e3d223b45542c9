//! The client's service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{CarryFuture, slots::Slots};

/// Middleware made by [`CarryWritesLayer`](super::CarryWritesLayer).
#[derive(Debug, Clone)]
pub struct CarryWrites<S> {
    inner: S,
    slots: Arc<Slots>,
}

impl<S> CarryWrites<S> {
    pub(super) const fn new(inner: S, slots: Arc<Slots>) -> Self {
        Self { inner, slots }
    }
}

impl<S, A, B> Service<Request<A>> for CarryWrites<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = CarryFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        self.slots.attach(request.headers_mut());
        CarryFuture::new(self.inner.call(request), self.slots.clone())
    }
}
