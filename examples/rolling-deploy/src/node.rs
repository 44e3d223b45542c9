//! The part to copy: a node that can be stopped at any time.

use std::{error::Error, future::IntoFuture, io, net::SocketAddr, time::Duration};

use axum::{Extension, Router, routing::post};
use tokio::{net::TcpListener, task::JoinHandle};
use unstick::{
    Events, KeyRing,
    affinity::{
        AffinityLayer, Balancer,
        drain::{Drain, Drained, serve},
    },
    session::{Session, SessionError, SessionLayer},
};

/// A node of some release.
pub(crate) struct Node {
    drain: Drain,
    server: JoinHandle<io::Result<Drained>>,
}

/// Adds one to the cart, and says who did. Takes a while, so that something is in flight whenever a node stops.
async fn add(Extension(name): Extension<String>, session: Session) -> Result<String, SessionError> {
    let count = session.update("cart", |count: Option<u32>| Some(count.unwrap_or(0) + 1)).await?;
    tokio::time::sleep(Duration::from_millis(30)).await;
    Ok(format!("{name} {}", count.unwrap_or(0)))
}

impl Node {
    /// Starts a node with a store, layers and a drain of its own.
    pub(crate) async fn start(name: &str, listener: TcpListener, sessions: &str, keys: KeyRing) -> Result<Self, Box<dyn Error>> {
        let events = Events::new(name);
        // Longer than the balancer's checks take to notice: two failures, 200 ms apart.
        let drain =
            Drain::builder().readiness_window(Duration::from_secs(1)).deadline(Duration::from_secs(10)).events(events.clone()).build()?;
        let store = unstick::store::from_url(sessions).await?;
        let sessions = SessionLayer::new(store, keys).events(events.clone()).build()?;
        drain.wait_for(sessions.pending());
        // Whoever is pinned stays so, until the node is to be stopped.
        let affinity = AffinityLayer::builder().sessions(sessions.scope()).behind(Balancer::haproxy("SRV")?);
        let affinity = affinity.switch(false).drain(&drain).events(events).build()?;
        let app = Router::new()
            .route("/cart", post(add))
            .layer(Extension(name.to_owned()))
            .layer(sessions)
            .layer(affinity)
            .route_service("/ready", drain.readiness());
        // A program of its own calls `drain.on_signals()`.
        let server = tokio::spawn(serve(listener, app, &drain).into_future());
        Ok(Self { drain, server })
    }

    /// Tells the balancer, serves on, and ends when nothing is left.
    pub(crate) async fn stop(self) -> Result<Drained, Box<dyn Error>> {
        self.drain.begin();
        Ok(self.server.await??)
    }
}

/// A listener on a free port, or where the node before had its.
pub(crate) async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    for _ in 0..100 {
        match TcpListener::bind(address).await {
            // Somebody's outgoing connection may have taken the port in between.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => tokio::time::sleep(Duration::from_millis(100)).await,
            done => return done,
        }
    }
    TcpListener::bind(address).await
}
