//! The cache across nodes: what clients of several nodes were served, in all weathers.

mod crashes;
mod faults;
mod forged;
mod local;
mod processes;
mod redis;
mod releases;
mod world;
