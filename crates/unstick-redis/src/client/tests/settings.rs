use unstick_core::ErrorKind;
use unstick_testkit::{require_server, servers::RedisServer};

use super::*;

async fn refused(address: &str) -> String {
    RedisClient::connect(address).await.unwrap_err().to_string()
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_what_to_write() {
    for (address, part) in [
        ("redis://a?prefx=b", "known are prefix"),
        ("redis://a?deadline_ms=soon", "whole number"),
        ("redis://a?deadline_ms=0", "over 0"),
        ("redis://a?start=now", "`wait` or `lazy`"),
        ("redis://a?wait_timeout_ms=5", "needs `wait_replicas`"),
        ("redis://a?wait_replicas=1&wait_timeout_ms=5000", "below `deadline`"),
        ("redis://a?sentinel_password=geheim", "redis-sentinel://"),
        ("redis-sentinel://a/m?sentinel_user=b", "needs `sentinel_password`"),
        ("redis://a?ca=x.pem", "write `rediss`"),
    ] {
        let said = refused(address).await;
        assert!(said.contains(part), "{address}: {said}");
        assert!(!said.contains("geheim"));
    }
    let debug = format!("{:?}", RedisClient::builder("redis://u:geheim@a").login("u", "geheim").sentinel_login("u", "geheim"));
    assert!(!debug.contains("geheim"), "{debug}");
}

#[tokio::test]
async fn the_configured_deadline_bounds_every_call() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&format!("{}?deadline_ms=200", redis.url())).await.unwrap();
    set(&client, "k", "1").await.unwrap();
    redis.stop();
    let start = std::time::Instant::now();
    let error = set_by(&client, op(seconds(60)), "k", "2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(start.elapsed() < seconds(10), "{:?}", start.elapsed());
    redis.cont();
}

#[tokio::test]
async fn a_client_of_the_applications_own_will_do() {
    use fred::interfaces::ClientLike;
    let redis = require_server!(RedisServer::start());
    let config = fred::types::config::Config::from_url(&redis.url()).unwrap();
    let fred = fred::types::Builder::from_config(config).build().unwrap();
    let connection = fred.init().await.unwrap();
    let client = RedisClient::from_fred(fred.clone());
    set(&client, "k", "1").await.unwrap();
    assert_eq!(value(&client, "k").await.unwrap(), Some("1".into()), "also with RESP2");
    let mut subscription = client.subscribe("c").await.unwrap();
    assert_eq!(client.publish(&op(seconds(2)), "c", "x".into()).await.unwrap(), 1);
    assert_eq!(subscription.next().await, Some(crate::Push::Message("x".into())));
    let said = RedisClient::builder("").wait_replicas(1, seconds(1)).wrap(fred.clone()).unwrap_err().to_string();
    assert!(said.contains("wait_replicas"), "{said}");
    drop(client);
    let pong: String = fred.ping(None).await.unwrap();
    assert_eq!(pong, "PONG", "it is the application's to stop");
    fred.quit().await.unwrap();
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn databases_are_chosen() {
    let redis = require_server!(RedisServer::start());
    let (zero, one) =
        (RedisClient::connect(&redis.url()).await.unwrap(), RedisClient::connect(&format!("{}/1", redis.url())).await.unwrap());
    set(&zero, "k", "zero").await.unwrap();
    assert_eq!(value(&one, "k").await.unwrap(), None);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_trusts_the_named_authority_alone() {
    let redis = require_server!(RedisServer::builder().tls().password("word").start());
    let address = redis.tls_url().unwrap();
    let ca = redis.tls_authority().unwrap();
    let client = RedisClient::builder(&address).ca(ca).connect().await.unwrap();
    assert!(works(&client).await);
    let chosen = rustls::crypto::CryptoProvider::get_default();
    assert!(chosen.is_none(), "rustls was given its provider and had none to choose");
    let said = refused(&format!("{address}?connect_timeout_ms=500")).await;
    assert!(said.contains("no connection"), "not signed by anybody known: {said}");
    let said = refused(&format!("rediss://:word@{}?connect_timeout_ms=500", redis.address())).await;
    assert!(said.contains("no connection") && said.contains("TLS"), "{said}");
}
