//! The service: tells a request's key. Everything else happens when its future is polled.

use std::{
    error::Error,
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::ResponseFuture;
use crate::{Cache, CacheKey, LoadError};

/// Middleware made by [`ReadThroughLayer`](super::ReadThroughLayer).
#[derive(Clone)]
pub struct ReadThroughService<S, C, F> {
    inner: S,
    cache: C,
    key: F,
}

impl<S, C, F> ReadThroughService<S, C, F> {
    pub(super) const fn new(inner: S, cache: C, key: F) -> Self {
        Self { inner, cache, key }
    }
}

impl<S, Req, K, V, F> Service<Req> for ReadThroughService<S, Cache<K, V>, F>
where
    S: Service<Req, Response = V> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>> + 'static,
    S::Future: Send,
    Req: Send + 'static,
    K: CacheKey,
    V: Clone + Send + Sync + 'static,
    F: Fn(&Req) -> Option<K>,
{
    type Response = V;
    type Error = LoadError;
    type Future = ResponseFuture<S, Req, K>;

    /// Always ready: a hit needs nothing of the inner service. Who needs it waits until a clone of it is ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LoadError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let inner = self.inner.clone();
        match (self.key)(&request) {
            Some(key) => ResponseFuture::reading(inner, request, self.cache.clone(), key),
            None => ResponseFuture::passing(inner, request),
        }
    }
}

impl<S: fmt::Debug, C: fmt::Debug, F> fmt::Debug for ReadThroughService<S, C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadThroughService").field("inner", &self.inner).field("cache", &self.cache).finish_non_exhaustive()
    }
}
