//! The layer and its settings.

use std::{fmt, sync::Arc, time::Duration};

use http::{StatusCode, request::Parts};
use tower_layer::Layer;
use unstick_core::Target;

use super::{InvalidationService, Outcome, late::Late};
use crate::Namespace;

type Targets = Arc<dyn Fn(&Parts) -> Vec<Target> + Send + Sync>;
type Judge = Arc<dyn Fn(StatusCode) -> Outcome + Send + Sync>;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) namespace: Namespace,
    pub(super) targets: Option<Targets>,
    pub(super) judge: Option<Judge>,
    pub(super) settle: Duration,
    pub(super) late: Arc<Late>,
}

impl Settings {
    pub(super) fn judge(&self, status: StatusCode) -> Outcome {
        self.judge.as_ref().map_or_else(|| Outcome::of(status), |judge| judge(status))
    }
}

/// Invalidates after requests that change something. See the [module docs](super). Clones share what they repeat later.
#[derive(Clone)]
#[must_use]
pub struct InvalidationLayer {
    settings: Settings,
}

impl InvalidationLayer {
    /// Invalidates in `namespace` what handlers name. One layer per namespace: [`Invalidations`](super::Invalidations) are those of the
    /// innermost.
    pub fn new(namespace: &Namespace) -> Self {
        let namespace = namespace.clone();
        Self { settings: Settings { namespace, targets: None, judge: None, settle: Duration::from_secs(5), late: Arc::default() } }
    }

    /// What a request changes, told by its head: method, URI, extensions such as axum's `MatchedPath` (there for layers of a
    /// `Router` or route). Called for unsafe methods only, before the inner service is. Default: nothing.
    pub fn targets<I: IntoIterator<Item = Target>>(mut self, targets: impl Fn(&Parts) -> I + Send + Sync + 'static) -> Self {
        self.settings.targets = Some(Arc::new(move |parts| targets(parts).into_iter().collect()));
        self
    }

    /// What a response's status says of the source. Default: [`Outcome::of`]. Set it for handlers that answer 4xx although they have changed
    /// something, or 5xx only when they have not.
    pub fn on_status(mut self, judge: impl Fn(StatusCode) -> Outcome + Send + Sync + 'static) -> Self {
        self.settings.judge = Some(Arc::new(judge));
        self
    }

    /// When the outcome is unknown, the invalidation is repeated after so long, before twice that time: as long as the source may take for
    /// what it had begun, a commit for example, when its caller went away. Default: 5 s; zero: it is not repeated.
    pub const fn settle(mut self, time: Duration) -> Self {
        self.settings.settle = time;
        self
    }
}

impl<S> Layer<S> for InvalidationLayer {
    type Service = InvalidationService<S>;

    fn layer(&self, inner: S) -> InvalidationService<S> {
        InvalidationService::new(inner, Arc::new(self.settings.clone()))
    }
}

impl fmt::Debug for InvalidationLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidationLayer").field("namespace", &self.namespace).field("settle", &self.settle).finish_non_exhaustive()
    }
}
