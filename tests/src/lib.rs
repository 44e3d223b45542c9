//! A small application on several nodes, and a client with a cookie jar: what the stories in `tests/` are told with.

mod app;
mod cluster;
mod cookies;
pub mod wire;

pub use app::{App, Gate};
pub use cluster::{Answer, Backend, Client, Cluster, Options};
pub use cookies::{cookies, cookies_for, keep, keep_from};

/// Tells stories, given as `async fn(Backend)`, on memory and on SQLite.
#[macro_export]
macro_rules! on_both {
    ($($story:ident;)*) => {$(
        mod $story {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                super::$story($crate::Backend::Memory).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$story($crate::Backend::Sqlite).await;
            }
        }
    )*};
}
