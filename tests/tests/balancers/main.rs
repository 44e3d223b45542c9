//! Real load balancers with sticky sessions on, before three nodes: what the affinity layer changes behind each of them, and what it cannot.

mod apache;
mod buffer;
mod caddy;
mod haproxy;
mod nginx;
mod site;
