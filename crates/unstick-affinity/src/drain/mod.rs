//! Stopping a node so that nobody notices.
//!
//! A node that just ends loses the requests it is serving, those that its balancer still sends, and the commits of clients that
//! have hung up. A [`Drain`] ends it in order:
//!
//! | [`Phase`] | readiness | requests | listeners |
//! |---|---|---|---|
//! | `Serving` | 200 | served | open |
//! | `Turning`, from [`begin`](Drain::begin) for the [`readiness_window`](DrainBuilder::readiness_window) | 503, or the status you say | served; HTTP/1 responses close their connection | open |
//! | `Closing`, at most until the [`deadline`](DrainBuilder::deadline) | the same | those in flight are awaited, and [pending work](Drain::wait_for) | closed |
//! | `Ended` | the same | what was left is cut, and named | closed |
//!
//! [`DrainLayer`] knows what is in flight, to the end of streams, and of upgraded connections that hold their [`DrainGuard`];
//! [`Readiness`] answers the balancer; [`finish`](Drain::finish) drives any server through it. Every step is an event:
//! `DrainBegan`, `DrainCut` for each request that was cut (the first 20), `DrainEnded`.
//!
//! # Example
//! An axum server, on a node that no balancer checks:
//!
//! ```
//! use std::{future::IntoFuture, time::Duration};
//! use axum::{Router, routing::get};
//! use unstick_affinity::drain::{Drain, Phase};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let drain = Drain::builder().readiness_window(Duration::ZERO).build()?;
//! // drain.wait_for(sessions.pending()); with a session layer
//!
//! let app = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(drain.layer()) // outermost: added last
//!     .route_service("/ready", drain.readiness());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let server = axum::serve(listener, app).with_graceful_shutdown(drain.closing());
//!
//! drain.begin(); // in your program: when SIGTERM arrives
//! let (served, drained) = drain.finish(server.into_future()).await;
//! assert!(matches!(served, Some(Ok(()))), "the server has ended by itself");
//! assert!(drained.is_clean(), "{drained}");
//! assert_eq!(drain.phase(), Phase::Ended);
//! # Ok(()) }
//! ```
//!
//! A tonic server, whose balancer asks the readiness service on another port, or tonic's health service, told by
//! [`began`](Drain::began):
//!
//! ```no_run
//! # async fn serve(routes: tonic::service::Routes) -> Result<(), Box<dyn std::error::Error>> {
//! # let drain = unstick_affinity::drain::Drain::builder().build()?;
//! let server = tonic::transport::Server::builder()
//!     .layer(drain.layer())
//!     .add_routes(routes)
//!     .serve_with_shutdown("0.0.0.0:50051".parse()?, drain.closing());
//! let (served, drained) = drain.finish(server).await;
//! println!("{drained}");
//! # Ok(()) }
//! ```
//!
//! # What it cannot do
//! Both servers drop their connections only with the process, so that what is cut goes when `main` returns. Neither do they
//! tell the drain of connections that never sent a request. The server of feature `server`, module `serve`, does both, and keeps
//! what waits in the listener's queue.
//!
#![doc = include_str!("../../docs/drain.md")]

mod body;
mod builder;
mod course;
mod future;
mod guard;
mod handle;
mod headers;
mod layer;
mod name;
mod outcome;
mod readiness;
mod registry;
#[cfg(feature = "server")]
pub mod serve;
mod service;
#[cfg(feature = "server")]
mod signals;

#[cfg(feature = "server")]
pub use self::serve::{Listener, Serve, serve};
pub use self::{
    body::ResponseBody,
    builder::DrainBuilder,
    course::Phase,
    future::ResponseFuture,
    guard::DrainGuard,
    handle::Drain,
    layer::DrainLayer,
    name::name_of,
    outcome::{CutRequest, Drained, InFlight},
    readiness::Readiness,
    service::DrainService,
};
