//! Servers that refuse: no server, no login, no permission, no memory.

use unstick_core::{ErrorKind, EventKind};
use unstick_testkit::{require_server, servers::RedisServer};

use super::*;

#[tokio::test]
async fn without_a_server_the_start_fails_with_the_place_and_no_secret() {
    // a port that was free a moment ago
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("redis://u:geheim@127.0.0.1:{port}?connect_timeout_ms=300");
    let error = RedisClient::connect(&address).await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("refused") && error.contains("lazy"), "{error}");
    assert!(!error.contains("geheim"), "{error}");
}

#[tokio::test]
async fn a_lazy_start_heals_when_the_server_comes() {
    let redis = require_server!(RedisServer::start());
    redis.kill();
    let client = RedisClient::connect(&format!("{}?start=lazy", redis.url())).await.unwrap();
    let error = set(&client, "k", "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    redis.restart();
    until("the first connection", || works(&client)).await;
    assert!(format!("{client:?}").contains("connected: true"), "{client:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_not_repeated() {
    let redis = require_server!(RedisServer::builder().password("richtig").start());
    let address = format!("redis://:geheim@{}", redis.address());
    let error = RedisClient::connect(&address).await.unwrap_err().to_string();
    assert!(error.contains("refuses the login") && error.contains(&redis.address()) && !error.contains("geheim"), "{error}");
    let error = RedisClient::connect(&format!("redis://{}", redis.address())).await.unwrap_err().to_string();
    assert!(error.contains("refuses the login"), "{error}");
    let client = RedisClient::builder(&address).login("", "richtig").connect().await.unwrap();
    assert!(works(&client).await);
}

#[tokio::test]
async fn the_documented_permissions_are_enough() {
    let redis = require_server!(RedisServer::start());
    let rights =
        "on >word resetkeys ~app:* resetchannels &app:* -@all +hello +evalsha +eval +get +time +client|id +publish +subscribe +ping +set";
    let words: Vec<&str> = ["ACL", "SETUSER", "app"].into_iter().chain(rights.split(' ')).collect();
    redis.command(&words).unwrap();
    let (log, events) = log();
    let address = format!("redis://app:word@{}", redis.address());
    let client = RedisClient::builder(&address).events(events).connect().await.unwrap();
    set(&client, "app:k", "1").await.unwrap();
    assert_eq!(value(&client, "app:k").await.unwrap(), Some("1".into()));
    assert_eq!(client.client.get(&op(seconds(2)), "app:x".into()).await.unwrap(), None);
    let mut subscription = client.subscribe("app:c").await.unwrap();
    assert_eq!(client.publish(&op(seconds(2)), "app:c", "x".into()).await.unwrap(), 1);
    assert_eq!(subscription.next().await, Some(crate::Push::Message("x".into())));
    let error = client.client.get(&op(seconds(2)), "other:secret".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("permission") && !format!("{error:?}").contains("other:secret"), "{error:?}");
    assert_eq!(log.all(), [], "INFO is not permitted, and that is no event");
}

#[tokio::test]
async fn a_full_server_says_so_and_a_careless_policy_is_an_event() {
    let redis = require_server!(RedisServer::builder().max_memory("3mb", "noeviction").start());
    let (log, events) = log();
    let client = RedisClient::builder(&redis.url()).events(events.clone()).connect().await.unwrap();
    let mut kinds = Vec::new();
    let big = "x".repeat(100_000);
    for n in 0..60 {
        if let Err(error) = set(&client, &format!("k{n}"), &big).await {
            kinds.push(error.kind());
        }
    }
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == ErrorKind::Full), "{kinds:?}");
    assert_eq!(log.count(EventKind::EvictionPolicy), 0);

    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    let second = RedisClient::builder(&redis.url()).events(events).connect().await.unwrap();
    assert_eq!(log.count(EventKind::EvictionPolicy), 1);
    assert!(log.mentions("allkeys-lru"));
    for n in 0..60 {
        set(&second, &format!("more{n}"), &big).await.unwrap();
    }
    // seen at the next look, which a reconnection is
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    until("the evictions", || async {
        _ = works(&second).await;
        log.count(EventKind::BackendEvicted) > 0
    })
    .await;
}
