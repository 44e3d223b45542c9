//! The service: asks what a request changes before the handler takes it.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, guard::Guard, layer::Settings};

/// Middleware made by [`InvalidationLayer`](super::InvalidationLayer).
#[derive(Clone)]
pub struct InvalidationService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> InvalidationService<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, A, B> Service<Request<A>> for InvalidationService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, S::Error, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let named = match &self.settings.targets {
            Some(targets) if !parts.method.is_safe() => targets(&parts),
            _ => Vec::new(),
        };
        let guard = Guard::new(self.settings.clone(), named);
        parts.extensions.insert(guard.invalidations().clone());
        // from here on something may be changed: the guard is there if this panics
        let inner = self.inner.call(Request::from_parts(parts, body));
        ResponseFuture::new(inner, guard)
    }
}

impl<S: fmt::Debug> fmt::Debug for InvalidationService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidationService").field("inner", &self.inner).field("settings", &self.settings).finish()
    }
}
