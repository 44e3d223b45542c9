//! A TCP proxy on loopback that breaks connections on command.

mod mode;
mod relay;
mod server;

pub use mode::{Direction, Mode};
pub use server::{Counts, Proxy};
