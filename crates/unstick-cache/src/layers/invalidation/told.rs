//! What a handler says is to be invalidated.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use unstick_core::Target;

use crate::Namespace;

/// In a response's extensions: what [`InvalidationLayer`](super::InvalidationLayer) is to invalidate before it leaves. The layer takes
/// it out. [`Namespace::tag`] and [`Cache::target`](crate::Cache::target) make targets.
///
/// A layer between this one and the handler that answers in the handler's place loses it: [`Invalidations`] is safe from that.
#[derive(Clone, Default)]
pub struct Invalidates {
    pub(super) targets: Vec<Target>,
}

impl Invalidates {
    /// These.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Self {
        Self { targets: targets.into_iter().collect() }
    }
}

/// Redacts keys and tags.
impl fmt::Debug for Invalidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidates").field("targets", &self.targets.len()).finish()
    }
}

/// In a request's extensions: takes down what is to be invalidated when the handler is done, whatever it answers, also if it
/// panics or is cancelled after that. Cheap to clone; an extractor with the feature `axum-08`.
///
/// Its targets are those of the layer's namespace. What is added after the response has left is invalidated at once, in the background.
#[derive(Clone)]
pub struct Invalidations {
    inner: Arc<Inner>,
}

struct Inner {
    namespace: Namespace,
    /// `None` once the response has left.
    targets: Mutex<Option<Vec<Target>>>,
}

impl Invalidations {
    pub(super) fn new(namespace: Namespace) -> Self {
        Self { inner: Arc::new(Inner { namespace, targets: Mutex::new(Some(Vec::new())) }) }
    }

    /// Adds a target: of [`Cache::target`](crate::Cache::target) or [`Namespace::tag`].
    pub fn add(&self, target: Target) {
        let mut targets = self.inner.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(targets) = &mut *targets {
            return targets.push(target);
        }
        drop(targets);
        in_background(&self.inner.namespace, vec![target]);
    }

    /// Adds everything with the tag.
    pub fn add_tag(&self, tag: &str) {
        self.add(self.inner.namespace.tag(tag));
    }

    pub(super) fn close(&self) -> Vec<Target> {
        self.inner.targets.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

pub(super) fn in_background(namespace: &Namespace, targets: Vec<Target>) {
    let (runtime, namespace) = (namespace.shared.runtime.clone(), namespace.clone());
    // Before the request is over, which a process that ends waits for, too.
    let pending = namespace.shared.pending.enter();
    runtime.spawn(Box::pin(async move {
        _ = namespace.invalidate(targets).await;
        drop(pending);
    }));
}

/// Redacts keys and tags.
impl fmt::Debug for Invalidations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets = self.inner.targets.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Invalidations").field("targets", &targets.as_ref().map(Vec::len)).finish()
    }
}
