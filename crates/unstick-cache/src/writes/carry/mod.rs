//! The client's side: keeps what responses set, and sends it with later requests, for clients without a cookie jar such as gRPC's.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use unstick_cache::writes::CarryWritesLayer;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = service_fn(|request: Request<()>| async move {
//!     let seen = request.headers()["unstick-writes"].clone();
//!     Response::builder().header("unstick-writes", "1f-1=abc; max-age=60").header("seen", seen).body(())
//! });
//! let client = CarryWritesLayer::new().layer(server);
//! assert_eq!(client.clone().oneshot(Request::new(())).await?.headers()["seen"], "new");
//! assert_eq!(client.oneshot(Request::new(())).await?.headers()["seen"], "1f-1=abc");
//! # Ok(()) }
//! ```

mod future;
mod layer;
mod service;
mod slots;

pub use self::{future::CarryFuture, layer::CarryWritesLayer, service::CarryWrites};
