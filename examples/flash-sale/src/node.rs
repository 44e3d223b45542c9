//! One node: a thread with a runtime of its own, so that everything it has goes with it when it is killed.

use std::{net::SocketAddr, thread};

use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::{oneshot, watch},
};
use unstick::affinity::drain::{Drain, serve};

use crate::{
    Failure,
    app::{self, Setup, Shared},
};

/// What its thread says once it listens.
type Ready = Result<(SocketAddr, Drain), String>;

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    drain: Drain,
    kill: oneshot::Sender<()>,
    ended: watch::Receiver<bool>,
}

/// A node that is about to listen.
#[derive(Debug)]
pub(crate) struct Starting {
    ready: oneshot::Receiver<Ready>,
    kill: oneshot::Sender<()>,
    ended: watch::Receiver<bool>,
}

impl Node {
    /// Starts it; await what comes back with [`Starting::listening`].
    pub(crate) fn start(name: &str, setup: &Setup, shared: &Shared, window: std::time::Duration) -> Result<Starting, Failure> {
        let (tell, ready) = oneshot::channel();
        let (kill, killed) = oneshot::channel();
        let (over, ended) = watch::channel(false);
        let (node, setup, shared) = (name.to_owned(), setup.clone(), shared.clone());
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = tell.send(Err(error.to_string()));
                    return;
                }
            };
            runtime.block_on(run(&node, &setup, &shared, window, tell, killed));
            // Not a word to anybody: connections, tasks and commits that nobody waits for end here, as with a process.
            runtime.shutdown_background();
            over.send_replace(true);
        })?;
        Ok(Starting { ready, kill, ended })
    }

    /// Cuts listener and connections, whatever they are at.
    pub(crate) async fn kill(self) {
        // An error means that it has ended by itself.
        let _ = self.kill.send(());
        gone(self.ended).await;
    }

    /// Drains it, to its end.
    pub(crate) async fn drain(self) {
        self.drain.begin();
        gone(self.ended).await;
    }
}

impl Starting {
    pub(crate) async fn listening(self) -> Result<Node, Failure> {
        let (addr, drain) = self.ready.await.map_err(|_| "a node's thread ended before it listened")??;
        Ok(Node { addr, drain, kill: self.kill, ended: self.ended })
    }
}

async fn gone(mut ended: watch::Receiver<bool>) {
    // An error means that the thread is gone.
    let _ = ended.wait_for(|ended| *ended).await;
}

async fn run(
    name: &str,
    setup: &Setup,
    shared: &Shared,
    window: std::time::Duration,
    tell: oneshot::Sender<Ready>,
    killed: oneshot::Receiver<()>,
) {
    let opened = async {
        let drain = Drain::builder().readiness_window(window).build()?;
        let router = app::open(name, setup, shared, &drain).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok::<_, Failure>((listener.local_addr()?, drain, listener, router))
    };
    let (addr, drain, listener, router) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            let _ = tell.send(Err(format!("{name} cannot start: {error}")));
            return;
        }
    };
    if tell.send(Ok((addr, drain.clone()))).is_err() {
        return;
    }
    tokio::select! {
        // Ends with the drain; an error of the listener ends the node as a kill does.
        _ = serve(listener, router, &drain) => {}
        // Also when the owner is gone.
        _ = killed => {}
    }
}
