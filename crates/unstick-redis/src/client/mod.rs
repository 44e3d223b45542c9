//! Connections to Redis: deadlines on every call, recovery from servers that die, hang or change their role.
//!
//! | module | what it does |
//! |---|---|
//! | `calls` | commands, each within its deadline |
//! | `run` | scripts, one at a time |
//! | `gather` | calls that come together go as one command |
//! | `detour` | slots that are on their way from one node to another |
//! | `keeper` | fresh connections for silent ones, news, health |
//! | `watchdog` | when a server is suspected; no I/O |
//! | `nodes` | who owns which slot, and where each server's clock stands |
//! | `wire`, `link` | the connections in use |
//! | `pushes` | published messages, on a connection of their own |
//! | `handle` | the public handle |

mod calls;
mod detour;
mod failure;
mod gather;
mod handle;
mod keeper;
mod link;
mod nodes;
mod pushes;
mod reply;
mod run;
mod script;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
mod watchdog;
mod wire;

pub(crate) use calls::Client;
pub use handle::RedisClient;
pub(crate) use keeper::{start, unless_dropped};
pub(crate) use link::Recipe;
pub use pushes::{Push, Subscription};
pub(crate) use reply::Reply;
pub(crate) use script::Script;
#[cfg(feature = "tls")]
pub(crate) use tls::config as tls_config;
pub(crate) use wire::{Settings, Wire};
