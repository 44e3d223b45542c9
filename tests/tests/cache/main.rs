//! The cache across nodes: what clients of several nodes were served, in all weathers.

mod local;
mod processes;
mod redis;
mod world;
