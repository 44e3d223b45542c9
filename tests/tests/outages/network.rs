//! A network between node and backend that is slow, cuts connections, and swallows everything.

use std::time::Duration;

use unstick_testkit::{
    require_server,
    servers::{MariaDbServer, Mode, PostgresServer, Proxy, RedisServer},
};

use super::{A_WHILE, broken_for};

async fn bad_network(name: &str, port: u16, url: &str) {
    let proxy = Proxy::start(port).unwrap();
    let url = proxy.url(url);
    let pass = || proxy.set(Mode::Pass);

    let fault = format!("{name}: each way takes 100 ms more, for 3 s");
    broken_for(A_WHILE, &fault, &url, || proxy.set(Mode::delay(Duration::from_millis(100))), pass).await;

    let fault = format!("{name}: connections are cut and refused for 3 s");
    let cut = || {
        proxy.set(Mode::Refuse);
        proxy.cut();
    };
    let report = broken_for(A_WHILE, &fault, &url, cut, pass).await;
    assert!(report.errors.contains_key("503"), "{report}");

    let fault = format!("{name}: the network swallows everything for 3 s");
    let report = broken_for(A_WHILE, &fault, &url, || proxy.set(Mode::BlackHole), pass).await;
    assert!(report.errors.contains_key("503"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis() {
    let redis = require_server!(RedisServer::start());
    bad_network("Redis", redis.port(), &redis.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let postgres = require_server!(PostgresServer::start());
    bad_network("PostgreSQL", postgres.port(), &postgres.fresh_database()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb() {
    let mariadb = require_server!(MariaDbServer::start());
    bad_network("MariaDB", mariadb.port(), &mariadb.fresh_database()).await;
}
