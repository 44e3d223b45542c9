//! What stands in front of the fleet: the program's own balancer, or a real HAProxy or nginx.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use unstick_testkit::servers::balancer::{BalancerServer, BalancerSpec, HaProxy, Health, Nginx, Stick};

use crate::{
    Failure,
    balancer::Balancer,
    cli::{Mode, Product},
    table::{Route, Table},
    wire::Wire,
};

#[derive(Debug)]
pub(crate) enum Front {
    Own { addr: SocketAddr, table: Table, server: JoinHandle<()> },
    Real { server: Arc<BalancerServer>, spec: BalancerSpec },
}

impl Front {
    /// Starts it before these nodes. It pins, unless the sale is about round robin.
    pub(crate) async fn start(product: Product, mode: Mode, routes: Vec<Route>) -> Result<Self, Failure> {
        let pins = mode != Mode::RoundRobin;
        let stick: Stick = match product {
            Product::Own => return Self::own(pins, routes).await,
            Product::HaProxy if pins => HaProxy::InsertPreserve.into(),
            Product::HaProxy => HaProxy::RoundRobin.into(),
            Product::Nginx if pins => Nginx::LuaCookie { path: "/".to_owned() }.into(),
            Product::Nginx => Nginx::RoundRobin.into(),
        };
        let mut spec = BalancerSpec::new(addresses(&routes), stick).retries();
        if product == Product::HaProxy {
            spec = spec.health(Health::new("/ready"));
        }
        let start = spec.clone();
        let server = tokio::task::spawn_blocking(move || start.start()).await??;
        Ok(Self::Real { server: Arc::new(server), spec })
    }

    async fn own(pins: bool, routes: Vec<Route>) -> Result<Self, Failure> {
        let table = Table::default();
        table.replace(routes);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let router = Balancer { table: table.clone(), pins, wire: Wire::default() }.router();
        let server = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self::Own { addr, table, server })
    }

    /// Where shoppers go.
    pub(crate) fn addr(&self) -> SocketAddr {
        match self {
            Self::Own { addr, .. } => *addr,
            Self::Real { server, .. } => server.address(),
        }
    }

    /// Another fleet. Returns its epoch, where requests are counted by it.
    pub(crate) async fn set(&self, routes: Vec<Route>) -> Result<Option<u64>, Failure> {
        match self {
            Self::Own { table, .. } => Ok(Some(table.replace(routes))),
            Self::Real { server, spec } => {
                let (server, spec) = (Arc::clone(server), spec.clone().nodes(addresses(&routes)));
                tokio::task::spawn_blocking(move || server.reload(&spec)).await??;
                Ok(None)
            }
        }
    }

    /// How long a node that it sends nobody to any more has to serve on: real balancers finish by the configuration that they had.
    pub(crate) const fn window(product: Product) -> Duration {
        match product {
            Product::Own => Duration::ZERO,
            Product::HaProxy | Product::Nginx => Duration::from_millis(800),
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Self::Own { server, .. } = self {
            server.abort();
        }
    }
}

fn addresses(routes: &[Route]) -> Vec<SocketAddr> {
    routes.iter().map(|route| route.addr).collect()
}
