//! Read your writes on every node, also while the bus is down: what is invalidated while serving a client travels with that client.
//!
//! [`ReadYourWritesLayer`] notes the invalidations of a request and gives the client a small signed *slot*: a cookie, or a header for gRPC
//! and other clients without cookies. The next request brings it to whatever node, which applies it, once, before its handler runs. So a
//! client that received a response's headers never sees a value from before that response's writes, whatever became of notices.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Method, Request, Response};
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//! use unstick_cache::{Carried, Namespace, ReadYourWritesLayer};
//! use unstick_core::{Key, KeyRing};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Two nodes without a bus, which trust what they hold for half a minute.
//! let keys = KeyRing::new(Key::generate()?);
//! let trust = std::time::Duration::from_secs(30);
//! let mut nodes = Vec::new();
//! for _ in 0..2 {
//!     let shop = Namespace::builder("shop").clamp(trust).build().await?;
//!     let prices = shop.cache::<u32, u32>("prices").build()?;
//!     prices.get_or_load(7, || async { Ok::<_, Infallible>(99) }).await?;
//!     let held = prices.clone();
//!     let handler = service_fn(move |request: Request<Bytes>| {
//!         let prices = held.clone();
//!         async move {
//!             if request.method() == Method::PUT {
//!                 let told = prices.invalidate(&7).await; // after the source was changed
//!                 assert_eq!(told.client, Carried::Yes);
//!             }
//!             Ok::<_, Infallible>(Response::new(Bytes::new()))
//!         }
//!     });
//!     nodes.push((prices, ReadYourWritesLayer::new(&shop, keys.clone()).build()?.layer(handler)));
//! }
//! let [(_, here), (there_held, there)] = <[_; 2]>::try_from(nodes).map_err(|_| "two")?;
//!
//! let answer = here.oneshot(Request::put("/").body(Bytes::new())?).await?;
//! let cookie = answer.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default().to_owned();
//! assert!(cookie.starts_with("__Host-us-w-"));
//! assert_eq!(there_held.get(&7), Some(99), "nobody has told that node");
//! there.oneshot(Request::get("/").header("cookie", cookie).body(Bytes::new())?).await?;
//! assert_eq!(there_held.get(&7), None, "but the client");
//! # Ok(()) }
//! ```
//!
//! # Where to put it
//! Outside the session layer, whose lines come first in the shared [`HeaderBudget`](unstick_core::HeaderBudget), and inside the affinity
//! layer, whose lines come last. A layer that turns panics or errors into responses belongs inside of this one: what is answered outside
//! of it tells the client nothing. Responses with a 5xx status do tell: the source may have been written.
//!
//! # What is too late
//! An invalidation made after the response's headers left (in a streamed body, in a task that is not awaited) cannot travel with them. It
//! says so: [`Invalidated::client`](crate::Invalidated::client) is [`Carried::TooLate`].
//!
//! # How much a client carries
//! One slot per writing response, until the [age limit](ReadYourWritesBuilder::age_limit); later writing responses merge what the request
//! brought when that saves a slot. Parallel responses never lose each other's: each sets a slot of its own and takes away only what that
//! contains. A client that wrote more than fits gets a *bypass* slot instead: its own requests go past the cache until the age
//! limit. So do the requests of one that sends more slots than are [looked at](ReadYourWritesBuilder::max_slots). Among them all, one at a
//! time asks the source for a key. Forged slots are ignored, at the price of one MAC each. Nobody can make other clients' requests miss by
//! sending slots again: each is applied once per node.
//!
//! A response that sets or takes away a slot is kept out of shared caches. A request without slots costs the scope, which is
//! one allocation, and its place in the request's extensions.
//!
//! # Headers and gRPC metadata
//! A client that sends the header [`HEADER`] (any value will do at first) is answered in headers instead of cookies, and every gRPC client is: with
//! `name=text; max-age=seconds`, once per slot. It sends `name=text` with its requests for that time, in a header each or joined by commas, and
//! forgets a name that it gets with `max-age=0`. [`CarryWritesLayer`] does that for clients built on tower, such as tonic's.

mod body;
mod builder;
pub mod carry;
mod client;
mod cookie;
mod future;
mod intake;
mod layer;
mod plan;
mod service;
mod shared;
mod site;
mod text;

#[cfg(feature = "axum-08")]
mod axum;
#[cfg(test)]
mod tests;

#[cfg(feature = "axum-08")]
pub use self::axum::MissingLayer;
pub use self::{
    body::ResponseBody,
    builder::ReadYourWritesBuilder,
    carry::CarryWritesLayer,
    client::{Carried, ClientWrites},
    cookie::WritesCookie,
    future::ResponseFuture,
    layer::ReadYourWritesLayer,
    service::ReadYourWrites,
};

/// The header, and gRPC metadata, of clients that keep no cookies.
pub const HEADER: &str = "unstick-writes";
