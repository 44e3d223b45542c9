//! Load balancers with sticky sessions on: HAProxy, nginx, Apache and Caddy, each on a free loopback port in front of nodes of the test's own.
//!
//! One [`BalancerSpec`] says what is wanted; each product's configuration is made from it by a pure function. A [`Browser`](crate::client::Browser)
//! is the client that goes with them.
//!
//! ```no_run
//! use unstick_testkit::{require_server, servers::balancer::{Apache, BalancerSpec, Health}};
//!
//! fn a_node_more() {
//!     let node = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
//!     let spec = BalancerSpec::new([node(8001), node(8002)], Apache::HeaderAdd).health(Health::new("/health")).retries();
//!     let balancer = require_server!(spec.start());
//!     balancer.reload(&spec.nodes([node(8001), node(8002), node(8003)])).unwrap();
//!     assert!(balancer.is_running());
//! }
//! a_node_more();
//! ```

mod apache;
mod caddy;
mod haproxy;
mod nginx;
mod server;
mod spec;
mod stick;
#[cfg(test)]
mod tests;

pub use server::BalancerServer;
pub use spec::{BalancerSpec, Health, route_of};
pub use stick::{Apache, Caddy, HaProxy, Nginx, SESSION_COOKIE, Stick};
