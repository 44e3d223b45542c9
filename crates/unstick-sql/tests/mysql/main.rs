//! What is MySQL's and MariaDB's own: row locks, deadlines on the server's clock, broken connections, starting, settings of
//! sessions, and what is on the wire.
#![cfg(feature = "mysql")]

#[path = "../common/mod.rs"]
mod common;

mod data;
mod faults;
mod late;
mod merge;
mod startup;
mod statements;
