use std::sync::Arc;

use tower_layer::Layer;

use crate::{Affinity, AffinityLayerBuilder, builder::Config};

/// Ends sticky sessions. See the [crate docs](crate).
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

    /// Whether a request arriving now would be un-pinned.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.config.switch.is_on()
    }
}

impl<S> Layer<S> for AffinityLayer {
    type Service = Affinity<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Affinity { inner, config: self.config.clone() }
    }
}
