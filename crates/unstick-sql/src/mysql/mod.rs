//! Sessions in MySQL or MariaDB.

mod numbered;
mod statements;
