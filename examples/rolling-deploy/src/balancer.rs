//! What stands in front: a tiny round robin, or a real HAProxy that pins.

use std::{
    collections::BTreeMap,
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};
use unstick_testkit::{
    client::Browser,
    servers::balancer::{BalancerServer, BalancerSpec, HaProxy, Health},
};

/// How often a node is asked whether it is ready. A node that stops goes on serving for far longer.
const INTERVAL: Duration = Duration::from_millis(100);

/// The nodes' places, and whether the last check found them ready.
#[derive(Clone)]
struct Places(Arc<Mutex<BTreeMap<SocketAddr, bool>>>);

impl Places {
    fn of(nodes: &[SocketAddr]) -> Self {
        Self(Arc::new(Mutex::new(nodes.iter().map(|address| (*address, true)).collect())))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self) -> Vec<SocketAddr> {
        self.lock().iter().filter(|(_, is_ready)| **is_ready).map(|(address, _)| *address).collect()
    }

    /// Asks every node, again and again.
    async fn check(self) {
        let nodes: Vec<_> = self.lock().keys().copied().collect();
        loop {
            for address in &nodes {
                let is_ready = Browser::new(*address).get("/ready").await.is_ok_and(|page| page.status.is_success());
                self.lock().insert(*address, is_ready);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// A running balancer; it ends with this.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    _haproxy: Option<BalancerServer>,
}

impl Balancer {
    /// Sends each connection to the next node that is ready.
    pub(crate) async fn round_robin(nodes: &[SocketAddr]) -> Result<Self, Box<dyn Error>> {
        let places = Places::of(nodes);
        tokio::spawn(places.clone().check());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            for turn in 0_usize.. {
                let Ok((mut client, _)) = listener.accept().await else { continue };
                let places = places.clone();
                tokio::spawn(async move {
                    let mut ready = places.ready();
                    let first = turn % ready.len().max(1);
                    ready.rotate_left(first);
                    for address in ready {
                        if let Ok(mut node) = TcpStream::connect(address).await {
                            // An error is the client's and the node's own affair.
                            let _ = tokio::io::copy_bidirectional(&mut client, &mut node).await;
                            return;
                        }
                    }
                });
            }
        });
        Ok(Self { address, _haproxy: None })
    }

    /// A HAProxy with `cookie SRV insert indirect nocache preserve`, which asks `/ready`.
    pub(crate) fn haproxy(nodes: &[SocketAddr]) -> Result<Self, Box<dyn Error>> {
        let spec = BalancerSpec::new(nodes.iter().copied(), HaProxy::InsertPreserve).health(Health::new("/ready")).retries();
        let haproxy = spec.start()?;
        Ok(Self { address: haproxy.address(), _haproxy: Some(haproxy) })
    }
}
