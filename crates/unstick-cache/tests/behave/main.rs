//! How the cache behaves: on nodes within a simulation, in several orders of steps each, with time that is moved.

mod flights;
mod world;
