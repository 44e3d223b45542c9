//! A server that takes part in a drain, over real sockets on loopback. Drains are on a clock that the tests move; what a
//! client sees is what decides.

mod accept;
mod grpc;
mod hostile;
mod in_flight;
mod quiet;
#[cfg(unix)]
mod signals;
mod support;
mod upgrades;
