//! Invalidates after requests that change something, before their response leaves.
//!
//! What is invalidated is told by a function of the request's head ([`InvalidationLayer::targets`]), by the handler through the
//! [`Invalidations`] in the request's extensions (an extractor in axum), or by an [`Invalidates`] in the response's
//! extensions, which is taken out of it.
//!
//! # Which requests
//! | the inner service | what the function names (unsafe methods only) | what the handler names (any method) |
//! |---|---|---|
//! | answers 1xx, 2xx, 3xx | is invalidated | is invalidated |
//! | answers 4xx but 408: it refused | is not | is invalidated |
//! | answers 5xx or 408, or fails | is invalidated, and once more later | is invalidated, and once more later |
//! | panics, or the client hangs up | is invalidated in the background, and once more later | the same, with what it has named so far |
//!
//! Where the outcome is unknown the source may have been changed: an invalidation too many costs a load, one too few
//! shows an old value. It is repeated [later](InvalidationLayer::settle) because a database may commit what its client has stopped waiting for.
//! [`InvalidationLayer::on_status`] draws the line elsewhere. Safe methods are GET, HEAD, OPTIONS and TRACE (RFC 9110, 9.2.1).
//!
//! The response waits for the invalidation, within the namespace's deadlines; what is not confirmed by then is repeated in the background. Its
//! status never depends on it; an [`Invalidated`](crate::Invalidated) in its extensions tells how far it got.
//!
//! # When not
//! Handlers that write in steps, or that others than clients call, should call [`Namespace::invalidate`](crate::Namespace::invalidate) right
//! after their commit, or [stage](crate::Namespace::stage) it in the transaction: what crashes between the two is lost with this layer, too. What
//! a body does after the headers have left does not hold anything back: an [`Invalidations`] still works then, in the background.
//! gRPC calls are all POST, and most answer 200: the function has to tell reads from writes by the path.
//!
//! # Example
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use unstick_cache::{Confirmation, Invalidated, Namespace, layers::{InvalidationLayer, Invalidations}};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let shop = Namespace::local("shop")?;
//! let carts = shop.cache::<u64, &str>("carts").tags(|_, _| vec!["carts".to_owned()]).build()?;
//! carts.get_or_load(7, || async { Ok::<_, std::io::Error>("empty") }).await.unwrap();
//!
//! let by_path = { let shop = shop.clone(); move |parts: &http::request::Parts| parts.uri.path().starts_with("/carts").then(|| shop.tag("carts")) };
//! let service = ServiceBuilder::new().layer(InvalidationLayer::new(&shop).targets(by_path)).service(service_fn(|request: Request<Bytes>| async move {
//!     // what only the handler knows
//!     request.extensions().get::<Invalidations>().unwrap().add_tag("customer:3");
//!     Ok::<_, std::convert::Infallible>(Response::new(Bytes::new()))
//! }));
//! let response = service.oneshot(Request::put("/carts/7").body(Bytes::new()).unwrap()).await.unwrap();
//! assert_eq!(response.extensions().get::<Invalidated>().unwrap().bus, Confirmation::Absent, "a local namespace has none");
//! assert_eq!(carts.get(&7), None);
//! # Ok::<(), unstick_core::ConfigError>(()) }).unwrap();
//! ```

mod future;
mod guard;
mod late;
mod layer;
mod outcome;
mod service;
mod told;

pub use self::{
    future::ResponseFuture,
    layer::InvalidationLayer,
    outcome::Outcome,
    service::InvalidationService,
    told::{Invalidates, Invalidations},
};
