//! The client's layer.

use std::sync::Arc;

use http::HeaderName;
use tower_layer::Layer;
use unstick_core::{ConfigError, Runtime};

use super::{CarryWrites, slots::Slots};
use crate::writes::HEADER;

/// Carries a client's writes in headers or gRPC metadata. See the [module docs](crate::writes::carry).
///
/// All services made by one layer, and its clones, are one client. A server that calls others on behalf of its users uses one layer per user, or
/// one for all: everybody then reads everybody's writes, which is right, and more often past the cache.
#[derive(Debug, Clone)]
pub struct CarryWritesLayer {
    slots: Arc<Slots>,
}

impl CarryWritesLayer {
    /// With nothing to carry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with(HeaderName::from_static(HEADER), Runtime::tokio())
    }

    /// With another header than [`HEADER`], and a clock that tests move.
    ///
    /// # Errors
    /// When `header` is not a header name.
    pub fn custom(header: &str, runtime: Runtime) -> Result<Self, ConfigError> {
        let header = HeaderName::try_from(header).map_err(|_| ConfigError::new("the header of writes is not a header name"))?;
        Ok(Self::with(header, runtime))
    }

    fn with(header: HeaderName, runtime: Runtime) -> Self {
        Self { slots: Arc::new(Slots::new(header, runtime)) }
    }
}

impl Default for CarryWritesLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CarryWritesLayer {
    type Service = CarryWrites<S>;

    fn layer(&self, inner: S) -> CarryWrites<S> {
        CarryWrites::new(inner, self.slots.clone())
    }
}
