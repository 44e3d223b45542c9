//! The layers as they are used: under `ServiceBuilder`, on hyper's servers over loopback, in axum, with tonic, on two nodes.

mod aborted;
#[cfg(feature = "axum-08")]
mod axum;
#[cfg(feature = "tonic-014")]
mod grpc;
mod hyper;
mod invalidation;
mod nodes;
mod order;
mod read_through;
mod support;
