//! What is PostgreSQL's own: row locks, deadlines on the server's clock, broken connections, starting, and what is on the wire.
#![cfg(feature = "postgres")]

#[path = "../common/mod.rs"]
mod common;

mod bus;
mod data;
mod faults;
mod late;
mod startup;
mod statements;
