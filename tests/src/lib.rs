//! A small application on several nodes, and a client with a cookie jar: what the stories in `tests/` are told with.

mod app;
pub mod cache;
mod cluster;
mod cookies;
pub mod deploy;
pub mod outage;
pub mod stores;
pub mod wire;

pub use app::{App, Gate};
pub use cluster::{Answer, Backend, Client, Cluster, Options};
pub use cookies::{cookies, cookies_for, keep, keep_from};

/// Tells stories, given as `async fn(Backend)`, on every kind of store: in memory, in a file, and on real servers.
#[macro_export]
macro_rules! on_every {
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
            $crate::on_servers! { |backend| super::$story(backend) }
        }
    )*};
}

/// One test per kind of server, for a call that gives a future.
#[macro_export]
macro_rules! on_servers {
    (|$backend:ident| $call:expr) => {
        $crate::on_servers! { @ |$backend| $call; postgres Postgres, mariadb MariaDb, redis Redis, redis_cluster RedisCluster, redis_sentinel RedisSentinel }
    };
    (@ |$backend:ident| $call:expr; $($test:ident $server:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let server = $crate::stores::Server::$server;
            unstick_testkit::require_server!(server.ready());
            let $backend = $crate::Backend::On(server);
            $call.await;
        }
    )*};
}
