//! Servers far away, on which connections take long to open. See [`cases::slow`].
#![cfg(any(feature = "postgres", feature = "mysql"))]

mod cases;
mod common;

use cases::slow::callers_with_little_time_get_connections;
use unstick_testkit::{require_server, servers::Proxy};

#[cfg(feature = "postgres")]
mod postgres {
    use unstick_sql::{postgres::PostgresStore, sqlx::postgres::PgPoolOptions};

    use super::*;
    use crate::common::{
        SECOND,
        postgres::{Place, SERVER},
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn callers_with_little_time_get_connections_of_our_own() {
        let server = require_server!(SERVER.get());
        let proxy = Proxy::start(server.port()).unwrap();
        let place = Place { url: proxy.url(&server.url()), ..Place::new(server) };
        let store = place.builder().min_connections(0).connect().await.unwrap();
        callers_with_little_time_get_connections(&proxy, store).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn callers_with_little_time_get_connections_of_a_pool_of_the_users() {
        let server = require_server!(SERVER.get());
        let proxy = Proxy::start(server.port()).unwrap();
        // without the test, which is a trip more than there is time for
        let pool = PgPoolOptions::new().max_connections(12).acquire_timeout(SECOND * 5).test_before_acquire(false);
        let pool = pool.connect_lazy(&proxy.url(&server.url())).unwrap();
        let store = PostgresStore::builder("").prefix(&Place::new(server).prefix).connect_pool(pool).await.unwrap();
        callers_with_little_time_get_connections(&proxy, store).await;
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use super::*;
    use crate::common::mysql::{Place, SERVER};

    #[tokio::test(flavor = "multi_thread")]
    async fn callers_with_little_time_get_connections_of_our_own() {
        let server = require_server!(SERVER.get());
        let proxy = Proxy::start(server.port()).unwrap();
        let place = Place::new(proxy.url(&server.url()));
        let store = place.builder().min_connections(0).connect().await.unwrap();
        callers_with_little_time_get_connections(&proxy, store).await;
    }
}
