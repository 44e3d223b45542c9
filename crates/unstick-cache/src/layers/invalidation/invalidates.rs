//! What is to be invalidated.

use unstick_core::Target;

use crate::Namespace;

/// Tags and keys to invalidate. A handler puts it into its response's extensions. See the [module docs](super).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Invalidates {
    tags: Vec<String>,
    targets: Vec<Target>,
}

impl Invalidates {
    /// To begin with.
    pub const fn nothing() -> Self {
        Self { tags: Vec::new(), targets: Vec::new() }
    }

    /// Also everything with `tag`, of the layer's namespace.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Also a key: [`Cache::target`](crate::Cache::target) makes it.
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Whether there is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.targets.is_empty()
    }

    pub(super) fn join(mut self, mut other: Self) -> Self {
        self.tags.append(&mut other.tags);
        self.targets.append(&mut other.targets);
        self
    }

    pub(super) fn into_targets(self, namespace: &Namespace) -> Vec<Target> {
        let Self { tags, mut targets } = self;
        targets.extend(tags.iter().map(|tag| namespace.tag(tag)));
        targets
    }
}
