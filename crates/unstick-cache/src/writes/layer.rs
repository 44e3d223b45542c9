//! The layer.

use std::{fmt, sync::Arc};

use tower_layer::Layer;
use unstick_core::KeyRing;

use super::{ReadYourWrites, ReadYourWritesBuilder, shared::Shared};
use crate::Namespace;

/// Lets every client read its own writes on every node, whatever becomes of the bus. See the [module docs](super).
#[derive(Clone)]
pub struct ReadYourWritesLayer {
    shared: Arc<Shared>,
}

impl ReadYourWritesLayer {
    /// For the caches of `namespace`. `keys` sign what clients carry; all nodes have the same, and they may be the session's: each use
    /// has a key of its own, derived from them.
    #[allow(clippy::new_ret_no_self, reason = "a layer has settings; its builder is made first")]
    pub fn new(namespace: &Namespace, keys: KeyRing) -> ReadYourWritesBuilder {
        let shared = &namespace.shared;
        ReadYourWritesBuilder::over(shared.clone(), keys, shared.runtime.clone(), shared.events.clone())
    }

    pub(super) fn from_shared(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }
}

impl<S> Layer<S> for ReadYourWritesLayer {
    type Service = ReadYourWrites<S>;

    fn layer(&self, inner: S) -> ReadYourWrites<S> {
        ReadYourWrites::new(inner, self.shared.clone())
    }
}

impl fmt::Debug for ReadYourWritesLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { sites, cookie, header, age_limit, .. } = &*self.shared;
        f.debug_struct("ReadYourWritesLayer")
            .field("namespaces", &sites.len())
            .field("cookie", cookie)
            .field("header", header)
            .field("age_limit", age_limit)
            .finish_non_exhaustive()
    }
}
