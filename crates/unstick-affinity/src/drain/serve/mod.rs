//! A server that nobody sees stopping.
mod connection;
mod counted;
mod link;
mod listener;
mod opening;
mod server;
mod socket;

pub use self::{
    listener::{Listener, Queue},
    server::{Serve, serve},
};
