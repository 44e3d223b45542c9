//! A small application on several nodes, and a client with a cookie jar: what the stories in `tests/` are told with.

mod app;
mod cluster;
mod cookies;
pub mod wire;

pub use app::{App, Gate};
pub use cluster::{Answer, Backend, Client, Cluster, Options};
pub use cookies::{cookies, cookies_for, keep, keep_from};
