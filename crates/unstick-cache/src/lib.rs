//! A read-through cache with one truth on every node.
//!
//! Each node keeps values in its own process, and an invalidation reaches all of them: it wins over loads that are under way
//! anywhere, is checked on every hit, and needs no clocks. A client's own writes travel with the client, so that it never sees its past, also
//! while the nodes cannot talk to each other.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use unstick_cache::{Confirmation, Namespace};
//! use unstick_core::Runtime;
//! use unstick_memory::{MemoryHub, MemoryLevel};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What the nodes share: Redis or PostgreSQL where each is a process of its own.
//! let (hub, level, runtime) = (MemoryHub::new(), MemoryLevel::new(), Runtime::tokio());
//! let mut nodes = Vec::new();
//! for _ in 0..2 {
//!     let shop = Namespace::builder("shop").bus(hub.bus(&runtime)).level(level.clone()).runtime(runtime.clone()).build().await?;
//!     let carts = shop
//!         .cache::<(u64, String), Vec<String>>("carts")
//!         .ttl(Duration::from_secs(600))
//!         .tags(|(customer, _), _| vec![format!("customer:{customer}")])
//!         .shared()
//!         .build()?;
//!     nodes.push((shop, carts));
//! }
//! let [(_, here), (shop, there)] = &nodes[..] else { unreachable!() };
//! let (key, source) = ((7, "saved".to_owned()), |cart: &'static str| move || async move { Ok::<_, Infallible>(vec![cart.to_owned()]) });
//!
//! assert_eq!(here.get_or_load(key.clone(), source("tea")).await?, ["tea"]);
//! assert_eq!(there.get_or_load(key.clone(), source("not asked")).await?, ["tea"], "from the level");
//!
//! // Once the change is in the database, on whatever node:
//! let invalidated = shop.invalidate_tag("customer:7").await;
//! assert_eq!((invalidated.level, invalidated.bus), (Confirmation::Confirmed, Confirmation::Confirmed));
//! while here.get(&key).is_some() {
//!     tokio::task::yield_now().await; // the notice is on its way
//! }
//! assert_eq!(here.get_or_load(key, source("coffee")).await?, ["coffee"]);
//! # Ok(()) }
//! ```
//!
//! # What it is not
//! - No cache of HTTP responses: it keeps what responses are made of.
//! - No store: any value may be gone at any time. The truth is in the source, and an invalidation is made after the source was changed.
//! - No lock and no transaction: a client other than the writer may see the old value for as long as the table below says.
//! - No cure for a source that lags: what a loader reads from a replica may be old. Give it a [short life](Loaded::ttl).
//!
//! # What is guaranteed
//! How long an old value may be served after an invalidation was made:
//!
//! | | to the client that wrote, behind [`ReadYourWritesLayer`] | to others on the node that invalidated | to others on other nodes |
//! |---|---|---|---|
//! | bus up | never, in requests that it sends after it received the response's headers | not at all | as long as a notice takes |
//! | bus silent, which is noticed by [`alive_for`](NamespaceBuilder::alive_for) | never | not at all | 3 s from the last sign of life |
//! | bus cut, or missed notices (a gap) | never | not at all | cut: the [`clamp`](NamespaceBuilder::clamp), 1 s from when the value was read; at a gap everything is looked up anew |
//! | bus cut at the node that invalidates, and not at those that read | never | not at all | until it is back, when the notice is repeated, or the value's lifetime ends: nothing tells the others that there is something to miss |
//! | no bus | never | not at all | the clamp |
//! | level has not confirmed | never | not at all: the key is not read from the level until it has | with the notice as here; without it until the deletion, which is repeated, gets through, or the value's lifetime in the level ends |
//! | crash between the source's commit and the notice | the response was never sent | - | until the lifetime ends |
//! | the same, [staged](Namespace::stage) in the transaction | never | not at all | as long as a notice takes; when the connection breaks that is a gap, and the level is cleared, too |
//!
//! Without bus and level a namespace of one process ([`Namespace::local`]) is its own truth. On several nodes without a bus, a value beyond the
//! clamp costs a trip to the level, or a load where there is none.
//!
//! Of all who miss a key at the same time one loads, on this node, and with a level on all nodes while the one that loads keeps its lease. Who
//! comes after an invalidation never gets what was loaded before it.
//!
//! # Layers
//! From the outside in, and why: [`layers`]. In short:
//!
//! ```
//! # use std::convert::Infallible;
//! # use bytes::Bytes;
//! # use http::{Request, Response, request::Parts};
//! # use http_body_util::Empty;
//! # use tower::{ServiceBuilder, ServiceExt, service_fn};
//! # use unstick_cache::{Carried, Invalidated, Namespace, ReadYourWritesLayer, layers::InvalidationLayer};
//! # use unstick_core::{Key, KeyRing};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (shop, keys) = (Namespace::builder("shop").build().await?, KeyRing::new(Key::generate()?));
//! # let handlers = service_fn(|_: Request<Empty<Bytes>>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) });
//! let tags = shop.clone();
//! let service = ServiceBuilder::new()
//!     // affinity: its lines come last
//!     .layer(ReadYourWritesLayer::new(&shop, keys).build()?) // the client being served, until its response leaves
//!     // session
//!     .layer(InvalidationLayer::new(&shop).targets(move |parts: &Parts| [tags.tag(parts.uri.path())])) // after unsafe requests
//!     // panics and timeouts into answers
//!     .service(handlers);
//! # let response = service.oneshot(Request::put("/carts").body(Empty::new())?).await?;
//! # assert_eq!(response.extensions().get::<Invalidated>().map(|told| told.client), Some(Carried::Yes));
//! # Ok(()) }
//! ```
//!
//! # Modules
//! | module | what is in it |
//! |---|---|
//! | [`namespace`] | what the caches of a node share: invalidation, tags, bus, level, hooks |
//! | [`cache`] | a cache and its settings |
//! | [`key`] | keys as text that is the same on every node |
//! | [`loaded`] | what a loader returns besides a value: tags, a lifetime, nothing |
//! | [`error`] | why a value cannot be had |
//! | [`writes`] | a client's own writes, in cookies and metadata |
//! | [`layers`] | reading through and invalidating as Tower middleware; axum and tonic |
//! | [`monitor`] | how consistent it is in production |
//! | [`stats`] | counters |
//!
//! # Cancel safety
//! Every future here may be dropped at any time. A load goes on for those who also wait for it, and is kept. An invalidation is in effect on this
//! node once its future was polled, and the rest is done in the background. A request that is given up behind [`layers::InvalidationLayer`] is
//! invalidated as one of which nobody knows what it changed.
//!
//! # Features
//! | feature | adds |
//! |---|---|
//! | `axum-08` | [`ClientWrites`] and [`layers::Invalidations`] as extractors, [`LoadError`] as a response of axum 0.8 |
//! | `quick-cache` | `CacheBuilder::quick_cache`: hits at half the price of those on moka |
//! | `tonic-014` | unary calls through a cache, and [`LoadError`] as a status of tonic 0.14; neither transport nor protoc |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod applied;
mod distrust;
mod entry;
mod envelope;
mod erased;
mod flight;
mod generations;
mod level;
mod mark;
mod notice;
mod sync;
#[cfg(test)]
mod tests;

pub mod cache;
pub mod error;
pub mod key;
pub mod layers;
pub mod loaded;
pub mod monitor;
pub mod namespace;
pub mod stats;
pub mod writes;

#[doc(inline)]
pub use self::{
    cache::{Cache, CacheBuilder},
    error::{LoadError, LoadErrorKind},
    key::{CacheKey, KeyText},
    layers::{InvalidationLayer, Invalidations, ReadThroughLayer},
    loaded::Loaded,
    monitor::{Monitor, MonitorReport},
    namespace::{Confirmation, Invalidated, Invalidation, Namespace, NamespaceBuilder, Reached, Staged},
    stats::{CacheStats, NamespaceStats},
    writes::{Carried, ClientWrites, ReadYourWritesLayer},
};
