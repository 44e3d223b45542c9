//! One node: its own store, caches, layers and listener. Nodes share nothing in process.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    carts::{Carts, LocalBus},
    error::Failure,
    events::Ring,
    routes::{self, NodeState},
    sessions::{self, Plan},
};

/// How long requests in flight may take once a node, or the whole shop, was told to stop.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    addr: SocketAddr,
    draining: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Node {
    /// Opens store and carts, builds the layers and listens on a free loopback port.
    pub(crate) async fn start(name: &str, plan: &Plan, bus: Option<&LocalBus>) -> Result<Self, Failure> {
        let events = Arc::new(Ring::default());
        let stack = sessions::open(name, plan, Arc::clone(&events)).await?;
        let carts = Carts::open(name, plan, bus, Arc::clone(&events)).await?;
        let draining = Arc::new(AtomicBool::new(false));
        let state = NodeState { name: name.into(), draining: Arc::clone(&draining), events, stats: stack.stats(), carts: carts.clone() };
        let router = routes::operations(state.clone()).merge(stack.wrap(routes::shop(state), &carts));
        let router = routes::signed_by(router, name);

        let refused = |error| Failure::start(format!("{name} cannot listen on a loopback port: {error}."));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            // A dropped sender means the same as a message: the owner is gone.
            axum::serve(listener, router).with_graceful_shutdown(async { drop(stopped.await) }).await
        });
        Ok(Self { addr, draining, stop, server })
    }

    /// Where it listens.
    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Fails the health check while serving on, so that balancers turn away.
    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Stops accepting and finishes what is in flight. After `deadline` the rest is not waited for: a process of its own cuts it by
    /// exiting, in a process with others it may still finish. Returns whether all was finished.
    pub(crate) async fn stop(mut self, deadline: Duration) -> bool {
        self.set_draining();
        // An error means that the server has ended by itself, which is what is asked for.
        let _ = self.stop.send(());
        if tokio::time::timeout(deadline, &mut self.server).await.is_ok() {
            return true;
        }
        self.server.abort();
        false
    }
}
