//! The layer.

use std::{fmt, sync::Arc};

use http::request::Parts;
use tower_layer::Layer;

use super::{Invalidates, Invalidation};
use crate::Namespace;

type By = Arc<dyn Fn(&Parts) -> Invalidates + Send + Sync>;

/// Invalidates after requests that write. See the [module docs](super).
#[derive(Clone)]
#[must_use]
pub struct InvalidationLayer {
    pub(super) namespace: Namespace,
    pub(super) by: Option<By>,
    pub(super) after_server_errors: bool,
}

impl InvalidationLayer {
    /// Invalidates in `namespace` what responses say in their extensions.
    pub fn new(namespace: &Namespace) -> Self {
        Self { namespace: namespace.clone(), by: None, after_server_errors: true }
    }

    /// Also what `function` says of a request whose method is not safe. It is asked before the request is served; path parameters of
    /// axum are there when the layer is added to the route.
    pub fn by(mut self, function: impl Fn(&Parts) -> Invalidates + Send + Sync + 'static) -> Self {
        self.by = Some(Arc::new(function));
        self
    }

    /// What the function says is invalidated after successful responses only. By default also when it is not known whether
    /// the source was written: after server errors, and when a request was cut. For services that write nothing before such an answer.
    pub const fn only_after_success(mut self) -> Self {
        self.after_server_errors = false;
        self
    }
}

impl<S> Layer<S> for InvalidationLayer {
    type Service = Invalidation<S>;

    fn layer(&self, inner: S) -> Invalidation<S> {
        Invalidation::new(inner, self.clone())
    }
}

impl fmt::Debug for InvalidationLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidationLayer")
            .field("namespace", &self.namespace)
            .field("by", &self.by.as_ref().map(|_| format_args!("<fn>")))
            .field("after_server_errors", &self.after_server_errors)
            .finish()
    }
}
