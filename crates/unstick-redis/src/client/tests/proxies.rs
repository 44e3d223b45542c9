//! Connections that are slow, cut, or lead nowhere.

use unstick_core::{ErrorKind, EventKind};
use unstick_testkit::{
    require_server,
    servers::{Mode, Proxy, RedisServer},
};

use super::{load::under_load, *};

struct Behind {
    redis: RedisServer,
    proxy: Proxy,
    address: String,
}

fn behind_a_proxy(redis: RedisServer) -> Behind {
    let proxy = Proxy::start(redis.port()).unwrap();
    let address = proxy.url(&redis.url());
    Behind { redis, proxy, address }
}

#[tokio::test]
async fn a_slow_way_is_no_reason_to_leave_it() {
    let Behind { proxy, address, redis: _redis } = behind_a_proxy(require_server!(RedisServer::start()));
    let (log, events) = log();
    let client = RedisClient::builder(&address).events(events).connect().await.unwrap();
    let delay = || proxy.set(Mode::delay(Duration::from_millis(300)));
    let outcome = under_load(&client, &["k".into()], seconds(2), delay, seconds(3)).await;
    outcome.assert_no_failure("600 ms there and back");
    assert_eq!(log.count(EventKind::BackendReconnected), 0);
    let error = set_by(&client, op(Duration::from_millis(200)), "k", "never").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    proxy.set(Mode::Pass);
    until("a quick way", || works(&client)).await;
    assert_ne!(value(&client, "k").await.unwrap(), Some("never".into()), "it arrived after its deadline");
}

#[tokio::test]
async fn what_was_on_its_way_when_the_connection_was_cut_is_in_doubt_and_reads_are_asked_again() {
    let Behind { proxy, address, redis: _redis } = behind_a_proxy(require_server!(RedisServer::start()));
    let client = RedisClient::connect(&address).await.unwrap();
    set(&client, "k", "1").await.unwrap();
    let to_client = seconds(1);
    proxy.set(Mode::Delay { to_server: Duration::ZERO, to_client });
    let before = proxy.counts().to_server;
    let write = tokio::spawn({
        let client = client.clone();
        async move { set(&client, "k", "2").await }
    });
    let read = tokio::spawn({
        let client = client.clone();
        async move { value(&client, "k").await }
    });
    until("both sent", || async { proxy.counts().to_server > before + 110 }).await;
    proxy.set(Mode::Pass);
    proxy.cut();
    let error = write.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.is_outcome_unknown());
    assert_eq!(read.await.unwrap().unwrap(), Some("2".into()), "the write was in, as it happens");
}

#[tokio::test]
async fn a_black_hole_costs_deadlines_and_nothing_more() {
    let Behind { proxy, address, redis } = behind_a_proxy(require_server!(RedisServer::start()));
    let client = RedisClient::connect(&address).await.unwrap();
    let hole = || {
        proxy.set(Mode::BlackHole);
    };
    let keys = ["k".into()];
    let load = under_load(&client, &keys, Duration::from_millis(500), hole, seconds(5));
    let open = async {
        tokio::time::sleep(seconds(3)).await;
        proxy.set(Mode::Pass);
    };
    let (outcome, ()) = futures_util::future::join(load, open).await;
    outcome.assert_recovered("black hole for 2 s", &[0], seconds(10));
    until("no connection too many", || async { super::standalone::connections(&redis) <= 2 }).await;
}

/// The library writes to one connection after another; once a connection takes no more bytes, it does nothing else.
#[tokio::test]
async fn a_connection_that_takes_no_more_bytes_is_left_too() {
    let Behind { proxy, address, redis: _redis } = behind_a_proxy(require_server!(RedisServer::start()));
    let (log, events) = log();
    let client = RedisClient::builder(&address).events(events).connect().await.unwrap();
    let big = "x".repeat(1 << 20);
    set(&client, "k", &big).await.unwrap();
    proxy.set(Mode::BlackHole);
    let start = std::time::Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (client, big) = (client.clone(), big.clone());
        calls.spawn(async move { set_by(&client, op(seconds(1)), "k", &big).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for result in calls.join_all().await {
        let error = result.unwrap_err();
        assert!(error.is_backend(), "{error:?}");
    }
    assert!(start.elapsed() < seconds(8), "{:?}", start.elapsed());
    // stalled connections stay stalled, fresh ones are served
    proxy.set(Mode::Refuse);
    proxy.set(Mode::Pass);
    let start = std::time::Instant::now();
    until("fresh connections", || works(&client)).await;
    println!("after a connection full of bytes: works in {:?}", start.elapsed());
    assert!(log.count(EventKind::BackendDown) > 0);
}
