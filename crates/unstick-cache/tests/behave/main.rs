//! How the cache behaves: on nodes within a simulation, in several orders of steps each, with time that is moved.

mod bus_faults;
mod carried;
mod flights;
mod leases;
mod level_faults;
mod odd_buses;
mod pending;
#[cfg(feature = "quick-cache")]
mod quick;
mod refusals;
mod schemas;
mod times;
mod wins;
mod world;
