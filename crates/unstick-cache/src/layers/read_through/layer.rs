//! The layer.

use std::fmt;

use tower_layer::Layer;

use super::ReadThroughService;
use crate::{Cache, CacheKey};

/// Answers requests from a cache. See the [module docs](super).
///
/// `C` is the [`Cache`], `F` the function that tells a request's key.
#[derive(Clone)]
#[must_use]
pub struct ReadThroughLayer<C, F> {
    cache: C,
    key: F,
}

impl<K: CacheKey, V, F> ReadThroughLayer<Cache<K, V>, F> {
    /// Keeps responses in `cache`, by the key that `key` tells; requests for which it tells none go past the cache.
    ///
    /// Requests of one key get one answer, whoever sends them: the key must name all that the answer depends on.
    pub const fn new<Req>(cache: Cache<K, V>, key: F) -> Self
    where
        F: Fn(&Req) -> Option<K>,
    {
        Self { cache, key }
    }
}

impl<S, C: Clone, F: Clone> Layer<S> for ReadThroughLayer<C, F> {
    type Service = ReadThroughService<S, C, F>;

    fn layer(&self, inner: S) -> Self::Service {
        ReadThroughService::new(inner, self.cache.clone(), self.key.clone())
    }
}

impl<C: fmt::Debug, F> fmt::Debug for ReadThroughLayer<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadThroughLayer").field("cache", &self.cache).field("key", &format_args!("<fn>")).finish()
    }
}
