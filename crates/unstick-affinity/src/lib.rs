//! Ends sticky sessions from inside the application.
//!
//! A load balancer that pins each user to one node makes a scale-out useless for everybody who is already there, and
//! takes their node's sessions away when it goes. Once sessions live in a store that every node reaches, the pin has no
//! use left. Switch it off in the balancer if you can; where you cannot, or not yet, this layer does what an application
//! can do:
//!
//! * It sends `Arr-Disable-Session-Affinity: true`, on which Azure App Service and IIS set no pin. Other balancers ignore it.
//! * It tells the browser to delete pin cookies of the products in the [`catalogue`] when a request carries them, and those whose name you
//!   chose ([`Balancer`], [`AffinityLayerBuilder::expire`]) with every response, for balancers that hide their cookie from you.
//! * It notices whether that works: a pin that stays is deleted with other domains and paths, one that returns is counted, and what nothing
//!   ends is left in peace.
//! * It reports every pinned request as an event with the product's name, and keeps a [`report`] of what it saw, what works and which
//!   setting of the balancer ends a pin.
//!
//! Sessions that disappear although nothing is pinned have other reasons, and [`audit`] names them.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, header::{COOKIE, SET_COOKIE}};
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use unstick_affinity::AffinityLayer;
//! use unstick_core::Scope;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = AffinityLayer::builder().sessions(Scope::Shared).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(layer)
//!     .service(service_fn(|_: Request<Empty<Bytes>>| async { Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new())) }));
//!
//! let request = Request::get("/").header(COOKIE, "ApplicationGatewayAffinity=af3c91; theme=dark").body(Empty::new())?;
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.headers()["arr-disable-session-affinity"], "true");
//! assert_eq!(response.headers()[SET_COOKIE], "ApplicationGatewayAffinity=; Path=/; Max-Age=0");
//! # Ok(()) }
//! ```
//!
//! # What it leaves alone
//! Cookies that the handler sets in the same response; responses that shared caches may keep (`public`, `s-maxage`, a CDN's
//! own control header, `max-age` or `Expires` without `private`), 304 and 1xx: these get the ARR header and nothing else. Every other `Set-Cookie` line stays as it is, byte for byte,
//! and ours come last. At most 8 lines and 1 KB are added to a response, and never more than the session layer left of
//! [`HeaderBudget`](unstick_core::HeaderBudget): nginx answers 502 when a response's head outgrows its 4 KB buffer.
//!
//! # What a client carries
//! Nothing, unless it was pinned. One that was gets `unstick-pins`, a cookie of about 30 bytes for 15 minutes, by which any node can tell what
//! became of a deletion: the pin went, or it was *kept*, because the deletion did not match, or it was set *again*, because the balancer writes its
//! cookie after the application. Kept pins are told their parent domains, the host that a proxy says the browser asked, and the paths above the request's, a few lines per response, and
//! all of them twice; then the client is left alone for six hours. Put the layer where it sees the request's whole path: a nested router
//! cuts its beginning off. The cookie is not signed, and whoever forges one changes nothing but the deletions of their own cookies.
//!
//! [`Percent`] of clients as a [`Switch`] sets `unstick-bucket`, a number from 0 to 99, for 180 days;
//! [`watch_routes`](AffinityLayerBuilder::watch_routes) writes `unstick-pins` with every response to the clients it watches.
//!
//! # What it cannot do
//! Pins without a cookie of their own (client address, hash rings, Kubernetes `ClientIP`, HAProxy stick tables) and pins that the
//! balancer writes after the application's headers can only be switched off in the balancer. [`Product::setting`] names the setting,
//! and the page [`balancers`] has it all in one table.
//!
//! # Features
//! `drain`: the module `drain`, for a node that is going to stop: its balancer is told first, and what is in flight is awaited.
//!
//! # Cost
//! Instructions per request over a layer that does nothing, as callgrind counts them, default release profile, over an axum router whose
//! empty answer takes some 6 000 (`cargo xtask bench affinity`):
//!
//! | request | instructions | allocations |
//! |---|---:|---:|
//! | a layer that only sets the header; tower-http's | +325; +704 | 0 |
//! | switched off | +168 | 0 |
//! | no cookie | +622 | 0 |
//! | a session's cookie and two foreign ones | +840 | 0 |
//! | a pin, first time | +16 646 | 29 |
//! | the pin, although it was told to go | +37 379 | 48 |
//! | the pin has gone | +11 853 | 20 |
//! | a client remembered as having lost it | +8 683 | 13 |
//! | behind HAProxy, no pin: its cookie is deleted with every response | +10 954 | 18 |
//! | for half of the clients, within; outside | +1 619; +870 | 0 |
//! | a client whose route is watched | +10 255 | 16 |
//! | the drain's layer, while serving | +1 035 | 1 |
//! | the audit, with its cookie; without any | +1 112; +6 607 | 0; 1 |
//!
//! Up to some 200 of each come and go with what the compiler happens to inline.
//!
//! # Order
//! Put it outside the session layer. It leaves [`AffinityRan`](unstick_core::AffinityRan) in the extensions of the first responses and of all that it
//! adds a line to, by which a session layer that sits outside notices.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod audit;
mod balancer;
#[doc = include_str!("../docs/balancers.md")]
pub mod balancers {}
mod builder;
pub mod catalogue;
mod decide;
#[cfg(feature = "drain")]
pub mod drain;
#[cfg(feature = "drain")]
pub mod elsewhere;
mod filter;
mod fly;
mod form;
mod future;
mod judge;
mod layer;
mod marker;
mod named;
mod percent;
mod pin;
mod plan;
pub mod report;
mod service;
mod switch;
mod tally;
mod unpin;

pub use self::{
    audit::Audit,
    balancer::Balancer,
    builder::AffinityLayerBuilder,
    catalogue::{Evidence, Lever, Product},
    future::ResponseFuture,
    layer::AffinityLayer,
    percent::{Head, Percent},
    pin::PinCookie,
    report::{Report, ReportService},
    service::Affinity,
    switch::{PerRequest, Switch, per_request},
};
