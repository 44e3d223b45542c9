use std::sync::Arc;

use tower_layer::Layer;
use unstick_core::{ConfigError, Scope};

use crate::{Affinity, AffinityLayerBuilder, Balancer, Head, builder::Config};

/// Ends sticky sessions. See the [crate docs](crate). Clones share the counters.
#[derive(Debug, Clone)]
#[must_use]
pub struct AffinityLayer {
    pub(crate) config: Arc<Config>,
}

impl AffinityLayer {
    /// Starts building.
    pub fn builder() -> AffinityLayerBuilder {
        AffinityLayerBuilder::new()
    }

    /// The layer for sessions of this scope, behind these balancers; none, if what stands in front is not known.
    ///
    /// # Errors
    /// As [`AffinityLayerBuilder::build`].
    pub fn new(sessions: Scope, balancers: impl IntoIterator<Item = Balancer>) -> Result<Self, ConfigError> {
        balancers.into_iter().fold(Self::builder().sessions(sessions), AffinityLayerBuilder::behind).build()
    }

    /// Whether a request like this one, arriving now, would be un-pinned.
    #[must_use]
    pub fn is_on(&self, head: &Head<'_>) -> bool {
        self.config.is_on(head)
    }
}

impl<S> Layer<S> for AffinityLayer {
    type Service = Affinity<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Affinity { inner, config: self.config.clone() }
    }
}
