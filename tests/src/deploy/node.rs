//! A node in this process, at an address that it shares with those before and after it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{net::TcpListener, task::JoinHandle};
use unstick_affinity::{
    Balancer,
    drain::{Drain, Drained, serve},
};
use unstick_core::Events;
use unstick_testkit::{clock::ManualClock, observe::EventLog, servers::balancer::route_of};

use super::{Site, WINDOW};

/// For waits that end by themselves unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A router.
    Axum,
    /// A plain service.
    Hyper,
}

/// How nodes are set up.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// What serves.
    pub kind: Kind,
    /// Where the sessions are.
    pub sessions: String,
    /// What stands in front.
    pub behind: Option<Balancer>,
    /// What a draining node tells a health check.
    pub status: StatusCode,
    /// The time for which it does; the clock is the test's.
    pub window: Duration,
}

/// A node that runs. Dropped, it stops at once.
#[derive(Debug)]
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its name, and how many came before it there.
    pub instance: String,
    /// What it serves.
    pub site: Site,
    /// Its drain.
    pub drain: Drain,
    /// Moves the drain.
    pub clock: ManualClock,
    /// What the drain told, and all else.
    pub log: Arc<EventLog>,
    server: JoinHandle<io::Result<Drained>>,
}

impl Node {
    /// Starts the node that comes after `generation` others there.
    ///
    /// # Panics
    /// When it cannot.
    pub async fn start(listener: TcpListener, generation: usize, options: &NodeOptions) -> Self {
        let address = listener.local_addr().expect("an address");
        let instance = format!("{}.{generation}", route_of(address));
        let (clock, log) = (ManualClock::default(), Arc::new(EventLog::default()));
        let events = Events::new(&instance).observer(log.clone());
        let drain = Drain::builder()
            .readiness_window(options.window)
            .deadline(WINDOW)
            .grace_period(WINDOW * 3)
            .not_ready_status(options.status)
            .events(events.clone())
            .runtime(clock.runtime())
            .build()
            .expect("a drain");
        let site = Site::open(&instance, &options.sessions, options.behind.clone(), &drain, events).await;
        let server = match options.kind {
            Kind::Axum => tokio::spawn(serve(listener, site.router(), &drain).into_future()),
            Kind::Hyper => tokio::spawn(site.clone().serve_plain(listener)),
        };
        Self { address, instance, site, drain, clock, log, server }
    }

    /// Starts where another was.
    ///
    /// # Panics
    /// When the address is not free within a minute.
    pub async fn start_at(address: SocketAddr, generation: usize, options: &NodeOptions) -> Self {
        let bind = async {
            loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let listener = tokio::time::timeout(PATIENCE, bind).await.expect("the address of the one before");
        Self::start(listener, generation, options).await
    }

    /// Waits for the end of the drain.
    ///
    /// # Panics
    /// When it does not end within a minute, or the server failed.
    pub async fn drained(&mut self) -> Drained {
        tokio::time::timeout(PATIENCE, &mut self.server).await.expect("the drain ends").expect("no panic").expect("a server")
    }

    /// Stops as a process does that knows nothing of drains: the listener and all connections are gone at once.
    pub async fn abort(&mut self) {
        self.server.abort();
        // Ends when everything is dropped.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}
