//! Invalidates after requests that write, before their responses leave.
//!
//! What to invalidate is said by a function of the request, by the handler in the response's extensions ([`Invalidates`]), or by both.
//!
//! ```
//! use http::{Request, Response};
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//! use unstick_cache::{InvalidationLayer, Invalidates, Namespace};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shop = Namespace::local("shop")?;
//! let prices = shop.cache::<u64, u32>("prices").build()?;
//! let layer = InvalidationLayer::new(&shop).by({
//!     let prices = prices.clone();
//!     // PUT /prices/7
//!     move |request| match request.uri.path().strip_prefix("/prices/").and_then(|id| id.parse().ok()) {
//!         Some(id) => Invalidates::nothing().target(prices.target(&id)),
//!         None => Invalidates::nothing(),
//!     }
//! });
//! let handler = layer.layer(service_fn(|_: Request<()>| async {
//!     let mut response = Response::new(());
//!     response.extensions_mut().insert(Invalidates::nothing().tag("lists"));
//!     Ok::<_, Infallible>(response)
//! }));
//!
//! prices.get_or_load(7, || async { Ok::<_, Infallible>(99) }).await?;
//! handler.clone().oneshot(Request::get("/prices/7").body(())?).await?;
//! assert_eq!(prices.get(&7), Some(99), "a safe method");
//! handler.oneshot(Request::put("/prices/7").body(())?).await?;
//! assert_eq!(prices.get(&7), None);
//! # Ok(()) }
//! ```
//!
//! # When
//! | the inner service | what the function says | what the response's extensions say |
//! |---|---|---|
//! | answers a safe method (GET, HEAD, OPTIONS, TRACE) | - | invalidated |
//! | answers 1xx, 2xx, 3xx | invalidated | invalidated |
//! | answers 4xx, or a gRPC status that means so | - | invalidated |
//! | answers 5xx, or gRPC status 2, 4, 13, 14, 15 | invalidated: the source may have been written ([`only_after_success`](InvalidationLayer::only_after_success)) | invalidated |
//! | fails, panics, or is dropped because the client hung up | as above, in the background | - |
//!
//! A gRPC status in trailers is not waited for; such a response counts as successful.
//!
//! Put the layer inside of [`ReadYourWritesLayer`](crate::ReadYourWritesLayer), so that the client takes the invalidation along. A handler that
//! knows better calls [`invalidate`](crate::Cache::invalidate) itself, and needs no layer.

mod future;
mod invalidates;
mod layer;
mod service;

pub use self::{future::ResponseFuture, invalidates::Invalidates, layer::InvalidationLayer, service::Invalidation};
