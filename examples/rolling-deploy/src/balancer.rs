//! What stands in front: a tiny round robin, or a real HAProxy that pins.

use std::{
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::net::{TcpListener, TcpStream};
use unstick::affinity::drain::Drain;
use unstick_testkit::servers::balancer::{BalancerServer, BalancerSpec, HaProxy, Health};

/// The nodes' places, and the drain of whoever is there: what a health check would tell.
#[derive(Clone, Default)]
pub(crate) struct Places(Arc<Mutex<Vec<(SocketAddr, Drain)>>>);

impl Places {
    /// A node has come to this address.
    pub(crate) fn take(&self, address: SocketAddr, drain: &Drain) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|(known, _)| *known != address);
        places.push((address, drain.clone()));
    }

    fn ready(&self) -> Vec<SocketAddr> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().filter(|(_, drain)| !drain.has_begun()).map(|(address, _)| *address).collect()
    }
}

/// A running balancer; it ends with this.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    _haproxy: Option<BalancerServer>,
}

impl Balancer {
    /// Sends each connection to the next node that is ready.
    pub(crate) async fn round_robin(places: Places) -> Result<Self, Box<dyn Error>> {
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
