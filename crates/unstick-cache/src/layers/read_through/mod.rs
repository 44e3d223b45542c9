//! Answers requests of any `Service` from a [`Cache`](crate::Cache), by a key function.
//!
//! For typed services and clients: what a request and a response are is up to you. A request for which the key function tells
//! no key goes past the cache. A hit is answered without the inner service, even while that is not ready; for a miss a
//! clone of it is made ready and called, once for all who ask for the same key, detached from them and within the cache's timeouts.
//!
//! # When not
//! Not for HTTP responses: a body is a stream that can be read once, which is why it cannot be cloned and does not compile
//! here. Collected into bytes it would, and be wrong: `Vary`, `Cache-Control` and `Set-Cookie` are for HTTP caches to obey, and one client's
//! private answer would be handed to the next. Cache what the answer is made of.
//!
//! The request that happens to come first is the one that is sent, with its credentials, its trace and its deadline: what the answer
//! depends on must be in the key, the caller's identity included.
//!
//! # Example
//! ```
//! use std::convert::Infallible;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use unstick_cache::{Namespace, layers::ReadThroughLayer};
//!
//! #[derive(Clone)]
//! enum Ask { Price(u32), Reprice(u32) }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let prices = Namespace::local("shop").unwrap().cache::<u32, String>("prices").build().unwrap();
//! let key = |ask: &Ask| match ask { Ask::Price(of) => Some(*of), Ask::Reprice(_) => None };
//! let mut service = ServiceBuilder::new()
//!     .layer(ReadThroughLayer::new(prices.clone(), key))
//!     .service(service_fn(|ask: Ask| async move {
//!         Ok::<_, Infallible>(match ask { Ask::Price(of) => format!("price of {of}"), Ask::Reprice(_) => "done".to_owned() })
//!     }));
//! for _ in 0..3 {
//!     assert_eq!(service.ready().await.unwrap().call(Ask::Price(7)).await.unwrap(), "price of 7");
//! }
//! assert_eq!(service.call(Ask::Reprice(7)).await.unwrap(), "done");
//! assert_eq!((prices.stats().hits, prices.stats().loads), (2, 1));
//! # });
//! ```
//!
//! # Errors
//! The error is a [`LoadError`](crate::LoadError), because all who waited for one call share its failure and the inner error need not be
//! `Clone`. It is `Clone` itself, and turns into a `BoxError` for `Buffer`, `Timeout` and the like. The inner error is its
//! [source](std::error::Error::source), to be found by `downcast_ref`, also when the request went past the cache.
//!
//! # Order
//! Limits, buffers, retries and timeouts of the source go inside, where hits do not pass them. The service itself is always ready: what
//! should hold hits back, too, goes outside. A retry outside gets the same error until the cache's
//! [`back_off`](crate::CacheBuilder::back_off) is over.

mod future;
mod layer;
mod service;

pub use self::{future::ResponseFuture, layer::ReadThroughLayer, service::ReadThroughService};
