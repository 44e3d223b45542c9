use std::{net::SocketAddr, time::Duration};

use super::{Stick, server::BalancerServer};
use crate::servers::StartError;

/// What a balancer is to do; each product's configuration is made from it.
///
/// ```
/// use unstick_testkit::servers::balancer::{BalancerSpec, HaProxy, Health};
///
/// let nodes = ["127.0.0.1:8001", "127.0.0.1:8002"].map(|node| node.parse().unwrap());
/// let spec = BalancerSpec::new(nodes, HaProxy::Insert).health(Health::new("/health"));
/// assert!(spec.config(8000).contains("cookie SRV insert\n"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct BalancerSpec {
    pub(super) nodes: Vec<SocketAddr>,
    pub(super) stick: Stick,
    pub(super) health: Option<Health>,
    pub(super) retries: bool,
    pub(super) lines: Vec<String>,
}

impl BalancerSpec {
    /// Round robin over these nodes for clients without a pin, who get the pin named. Neither health checks nor retries.
    pub fn new(nodes: impl IntoIterator<Item = SocketAddr>, stick: impl Into<Stick>) -> Self {
        Self { nodes: nodes.into_iter().collect(), stick: stick.into(), health: None, retries: false, lines: Vec::new() }
    }

    /// Other nodes, for [`BalancerServer::reload`].
    pub fn nodes(mut self, nodes: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.nodes = nodes.into_iter().collect();
        self
    }

    /// Asks each node for its health. nginx has no such checks in its free edition: it goes by failed requests alone. Default: none.
    pub fn health(mut self, health: Health) -> Self {
        self.health = Some(health);
        self
    }

    /// A request that a node could not be given goes to another one, pinned or not; idempotent ones also when the node failed to answer.
    /// Apache sends requests for nodes that refuse connections elsewhere in any case. Default: the client is told of the failure.
    pub fn retries(mut self) -> Self {
        self.retries = true;
        self
    }

    /// One more line where the product is told about this site: HAProxy's `backend`, nginx's `location`, Apache's `<Proxy>`, Caddy's `reverse_proxy`.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// How users are pinned.
    #[must_use]
    pub fn stick(&self) -> &Stick {
        &self.stick
    }

    /// The configuration's text as it would be for this port, to read or to show.
    #[must_use]
    pub fn config(&self, port: u16) -> String {
        self.stick.render(self, &super::stick::Place { port, admin_port: 0, home: "/run/balancer".as_ref(), token: "up" })
    }

    /// Starts the balancer and waits until it answers. Blocks.
    ///
    /// # Errors
    /// When the program or a module that it needs is missing, or it does not start.
    pub fn start(&self) -> Result<BalancerServer, StartError> {
        BalancerServer::start(self)
    }
}

/// A node's name in every configuration, so in pins and routes, too: it stays the same when other nodes come and go.
#[must_use]
pub fn route_of(node: SocketAddr) -> String {
    format!("n{}", node.port())
}

/// Health checks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Health {
    pub(super) path: String,
    pub(super) interval: Duration,
    pub(super) fall: u32,
    pub(super) soft_stop_on_404: bool,
}

impl Health {
    /// Asks for `path` every 200 ms; a node is out after two bad answers and back after one that is good.
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned(), interval: Duration::from_millis(200), fall: 2, soft_stop_on_404: false }
    }

    /// The time between two checks of a node. Default: 200 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// After how many bad answers in a row a node is out. Caddy 2.6 takes it out after the first. Default: 2.
    pub fn fall(mut self, fall: u32) -> Self {
        self.fall = fall;
        self
    }

    /// A 404 means: nothing new for this node, while pinned users stay (HAProxy's `http-check disable-on-404`; the others have no such thing).
    /// Default: it is a bad answer as any other.
    pub fn soft_stop_on_404(mut self) -> Self {
        self.soft_stop_on_404 = true;
        self
    }
}
