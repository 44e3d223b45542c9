//! Tower layers around a cache, and helpers for the frameworks they are used with.
//!
//! | | for |
//! |---|---|
//! | [`read_through`] | answering any typed `Service` from a cache |
//! | [`invalidation`] | invalidating after HTTP requests that change something |
//! | `unary` (feature `tonic-014`) | gRPC calls, on the server or the client |
//!
//! # Order
//! From the outside in: affinity, read-your-writes, session, [`InvalidationLayer`], a layer that turns panics into answers if there is one, handlers.
//!
//! - *Read-your-writes outside of `InvalidationLayer`*: what is invalidated is noted with the client whose scope that layer opens, and
//!   it must still be open. Outside of the session layer, because the session has the first share of the header budget.
//! - *`InvalidationLayer` inside the session layer*: when the session cannot be saved, that layer answers in the handler's place, and
//!   an [`Invalidates`] in the handler's response would be lost. The session is saved after the invalidation, so do not cache what is
//!   computed from a session.
//! - *Panics into answers inside of `InvalidationLayer`*: the invalidation after a panic is then noted with the client, too. Without such a layer
//!   it is made in the background.
//!
//! With `ServiceBuilder` the first layer is the outermost, with axum's `Router::layer` the last.

pub mod invalidation;
pub mod read_through;

#[cfg(feature = "axum-08")]
mod axum;
#[cfg(feature = "tonic-014")]
pub mod unary;

#[cfg(feature = "axum-08")]
pub use self::axum::MissingInvalidationLayer;
pub use self::{
    invalidation::{Invalidates, InvalidationLayer, InvalidationService, Invalidations, Outcome},
    read_through::{ReadThroughLayer, ReadThroughService},
};
