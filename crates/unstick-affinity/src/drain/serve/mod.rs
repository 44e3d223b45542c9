//! A server that nobody sees stopping: a hyper server for axum routers, tonic routes and plain tower services, HTTP/1 and HTTP/2 on one port, upgrades
//! included, which takes part in a [`Drain`](super::Drain) to its last byte.
//!
//! Use it where `axum::serve` and tonic's server leave something to chance at the end: what waits in the listener's queue is
//! reset by them, upgraded connections are forgotten, a client that has connected and says nothing holds them up, and nothing
//! ends what is stuck. Stay with them where you need what this one has not (TLS of its own, HTTP/2 settings).
//!
//! | phase | new connections | HTTP/1 | HTTP/2 | upgraded |
//! |---|---|---|---|---|
//! | `Serving` | accepted | served | served | live |
//! | `Turning` | accepted | served, `Connection: close` | served | live |
//! | `Closing` | those that the system has accepted already are served, then the listener is closed | requests in flight finish, idle connections close | GOAWAY, then streams finish | live, and may say goodbye on [`Drain::closing`](super::Drain::closing) |
//! | the deadline | | cut | cut | cut: their tasks read and write an error |
//!
//! Clients that have connected and not spoken, or have sent half a request, get [`Serve::grace`]. The server ends as soon as nothing is left, and
//! says what was cut, by name. [`Drain::on_signals`](super::Drain::on_signals) begins the drain when the platform asks for it.
//!
//! # Example
//! ```
//! use axum::{Router, routing::get};
//! use std::time::Duration;
//! use unstick_affinity::drain::{Drain, serve};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let drain = Drain::builder().readiness_window(Duration::ZERO).build()?; // no balancer asks
//! let app = Router::new().route("/", get(|| async { "hello" })).route_service("/ready", drain.readiness());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//!
//! drain.begin(); // in your program: drain.on_signals()?;
//! let drained = serve(listener, app, &drain).await?;
//! assert!(drained.is_clean(), "{drained}");
//! # Ok(()) }
//! ```
//! A tonic server is `serve(listener, routes.prepare(), &drain).http2_only()`, or `routes.into_axum_router()` beside other routes.
//!
//! # What counts
//! Every request, from its head to the end of its response's body, and upgraded connections until their socket is dropped: the server is
//! a [`DrainLayer`](super::DrainLayer) itself. A layer of the same drain inside changes nothing.
//!
//! # What it cannot do
//! * A request that an HTTP/1 client sends into an idle connection at the moment at which that is closed is not answered; HTTP/1 has no
//!   word for "no more". The readiness window is there to make such connections rare.
//! * A connection that the system accepts between the last look into its queue and the closing, some microseconds, is reset.
//! * At the deadline, bytes of a response that has ended but that its client has not taken yet are cut without a name, as are HTTP/2 tunnels
//!   (`CONNECT`) whose handler does not hold its [`DrainGuard`](super::DrainGuard).
//! * A handler that blocks its thread cannot be cut.

mod connection;
mod counted;
mod link;
mod listener;
mod opening;
mod server;
mod socket;

pub use self::{
    listener::{Listener, Peer, Queue},
    server::{Serve, serve},
};
