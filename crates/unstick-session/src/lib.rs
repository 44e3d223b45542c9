//! Sessions for services on more than one node: any node, nothing lost, nothing revived.
//!
//! [`SessionLayer`] gives every request a [`Session`]. The client carries a small signed credential; the values live in a
//! [`Store`](unstick_core::Store) that all nodes share. Nothing is read before it is asked for, changes are merged per key
//! rather than written over each other, and the response leaves only after they are saved.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use unstick_core::{Key, KeyRing};
//! use unstick_session::{Session, SessionError, SessionLayer};
//! use unstick_memory::MemoryStore;
//!
//! async fn handler(request: Request<Bytes>) -> Result<Response<Bytes>, SessionError> {
//!     let session = request.extensions().get::<Session>().expect("behind the layer").clone();
//!     let visits = session.update("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1)).await?;
//!     Ok(Response::new(format!("{visits:?}").into()))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let layer = SessionLayer::new(MemoryStore::new(), KeyRing::new(Key::generate()?)).build()?;
//! let service = layer.layer(service_fn(handler));
//! let first = service.clone().oneshot(Request::new(Bytes::new())).await?;
//! let cookie = first.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or("").to_owned();
//! assert!(cookie.starts_with("__Host-id="));
//! let second = service.oneshot(Request::builder().header("cookie", cookie).body(Bytes::new())?).await?;
//! assert!(!second.headers().contains_key("set-cookie"), "the client has what it needs");
//! assert_eq!(layer.continuity().found, 1);
//! # Ok(()) }) }
//! ```
//!
//! # When what is saved
//! | the handler | buffered changes |
//! |---|---|
//! | answers below 500 | saved before the headers leave; if that fails the answer becomes 503 with `Retry-After` (gRPC: status 14) |
//! | answers with a [`SessionError`], 5xx, or gRPC status 2, 12, 13, 14, 15 | discarded, but for an `end` (see [`SessionLayerBuilder::commit_on_server_error`]) |
//! | fails with the inner service's error, or panics | discarded |
//! | is dropped because the client hung up | discarded; a commit that has begun is completed in the background |
//! | answers 101 or streams its body | saved before the headers leave; later changes are an error to the caller |
//!
//! # What the client is sent
//! `Set-Cookie` only on create, `renew_id`, `promote`, `end`, after a key rotation, and when more than half of the idle
//! time is used up. One benign exception to "the latest answer wins" is left: if a renewal's answer overtakes that of a
//! login which it overlapped, the client is back at its credential from before the login and is asked to log in again.
//!
//! Two requests of a client that has no session yet each start one; the client keeps the last.
//!
//! # Features
//! | feature | adds |
//! |---|---|
//! | `axum-08` | [`Session`] as an extractor and [`SessionError`] as a response of axum 0.8 |
//! | `lifeboat` | `SessionLayerBuilder::lifeboat`: chosen values ride in a sealed cookie, so that users go on while the backend is down; see the module `lifeboat` |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod builder;
mod commit;
mod continuity;
mod deadline;
mod engine;
mod env;
mod error;
mod future;
mod handle;
mod keyed;
mod layer;
mod service;
mod source;
mod status;
mod trace;

#[cfg(feature = "axum-08")]
mod axum;
pub mod cookie;
pub mod failure;
#[cfg(feature = "lifeboat")]
pub mod lifeboat;

#[cfg(feature = "axum-08")]
pub use self::axum::MissingLayer;
#[doc(no_inline)]
pub use unstick_core::hygiene;

pub use self::{
    body::ResponseBody,
    builder::{InStore, Own, SessionLayerBuilder},
    continuity::Continuity,
    error::SessionError,
    future::ResponseFuture,
    handle::{Session, Typed},
    keyed::Keyed,
    layer::{SessionLayer, Sessions},
    service::SessionService,
    source::{IntoBackend, Setup},
    status::Status,
};
