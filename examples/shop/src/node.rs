//! One node: its own store, caches, layers and listener. Nodes share nothing in process.

use std::{fmt, future::IntoFuture, io, net::SocketAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use unstick::{
    Events,
    affinity::drain::{Drain, Drained, serve},
};

use crate::{
    carts::{Carts, LocalBus},
    cli::Mode,
    error::Failure,
    events::{News, Ring},
    routes::{self, NodeState},
    sessions::{self, Plan},
};

/// How long a node that is told to end by itself fails its readiness check before it closes. The shop's balancer stops nodes after it
/// has turned away from them, and then leaves out the rest of this.
const WINDOW: Duration = Duration::from_secs(2);

/// How long requests in flight may take once a node, or the whole shop, was told to stop.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    addr: SocketAddr,
    drain: Drain,
    unpinning: watch::Sender<bool>,
    state: NodeState,
    server: JoinHandle<io::Result<Drained>>,
}

/// What a node leaves behind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// Whether everything was finished.
    pub(crate) is_clean: bool,
    /// How the drain ended, in figures.
    pub(crate) drained: String,
    /// Its last news.
    pub(crate) news: News,
}

impl Node {
    /// Opens store and carts, builds the layers and listens on a free loopback port.
    pub(crate) async fn start(name: &str, plan: &Plan, bus: Option<&LocalBus>) -> Result<Self, Failure> {
        let failed = |error: &dyn fmt::Display| Failure::start(format!("{name} cannot be started: {error}."));
        let ring = Arc::new(Ring::default());
        let drain = Drain::builder().readiness_window(WINDOW).deadline(DRAIN).events(Events::new(name).observer(Arc::clone(&ring)));
        let drain = drain.build().map_err(|error| failed(&error))?;
        // In mode `sticky` somebody may switch it on while the node serves.
        let unpinning = watch::Sender::new(plan.mode != Mode::Sticky);
        let stack = sessions::open(name, plan, &drain, unpinning.subscribe(), Arc::clone(&ring)).await?;
        let carts = Carts::open(name, plan, bus, Arc::clone(&ring)).await?;
        // What goes on after the response is waited for, too.
        drain.wait_for(stack.pending());
        if let Some(pending) = carts.pending() {
            drain.wait_for(pending);
        }
        let state =
            NodeState { name: name.into(), events: ring, stats: stack.stats(), carts: carts.clone(), metrics: plan.metrics.clone() };
        let operations = routes::operations(state.clone(), &drain, stack.affinity());
        let router = operations.merge(stack.wrap(routes::shop(state.clone()), &carts));
        let router = routes::signed_by(router, name);

        let refused = |error| Failure::start(format!("{name} cannot listen on a loopback port: {error}."));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        let server = tokio::spawn(serve(listener, router, &drain).into_future());
        Ok(Self { addr, drain, unpinning, state, server })
    }

    /// Where it listens.
    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its end, when it has one to itself: a process for this node alone.
    pub(crate) const fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Fails the readiness check while serving on, so that balancers turn away.
    pub(crate) fn begin_drain(&self) {
        self.drain.begin();
    }

    /// Switches un-pinning for the requests that come from now on.
    pub(crate) fn unpin(&self, on: bool) {
        self.unpinning.send_replace(on);
    }

    /// Closes the listener and finishes what is in flight; what is not done at the deadline is cut.
    pub(crate) async fn stop(self) -> Ended {
        self.drain.close_now();
        let drained = match self.server.await {
            Ok(Ok(drained)) => drained,
            // The server has ended before its time: what it left is told all the same.
            _ => self.drain.finished().await,
        };
        Ended { is_clean: drained.is_clean(), drained: drained.to_string(), news: self.state.news(0) }
    }
}
