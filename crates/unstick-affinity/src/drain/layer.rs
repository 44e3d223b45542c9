use tower_layer::Layer;

use super::{handle::Drain, service::DrainService};

/// Counts requests from their call to the end of their response's body, and names them. Made by [`Drain::layer`].
///
/// Put it outside all other layers of this family: a request then counts until they are done with it, too. Put it
/// there once: a request that passes two layers of one drain counts twice, except below the server of feature `server`, which counts by itself.
#[derive(Debug, Clone)]
#[must_use]
pub struct DrainLayer {
    drain: Drain,
}

impl Drain {
    /// The layer that knows what is in flight.
    pub fn layer(&self) -> DrainLayer {
        DrainLayer { drain: self.clone() }
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = DrainService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DrainService { inner, drain: self.drain.clone() }
    }
}
