//! A real Redis that hangs, dies, and comes back.

use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use unstick_core::{Events, KeyRing};
use unstick_session::{Session, SessionError, SessionLayer};
use unstick_stories::{Client, stores};
use unstick_testkit::{require_server, servers::RedisServer};

use crate::world::{key, lifeboat};

async fn add(session: Session) -> Result<String, SessionError> {
    let cart = session.update("cart", |items: Option<u32>| Some(items.unwrap_or(0) + 1)).await?;
    Ok(format!("{} {}", session.status().as_str(), cart.unwrap_or(0)))
}

async fn node(url: &str) -> Router {
    let keys = KeyRing::new(key(7));
    let store = stores::open(url, Events::new("node")).await;
    let layer = SessionLayer::keyed(store, keys.clone()).deadline(Duration::from_millis(500)).lifeboat(lifeboat(keys)).build().unwrap();
    Router::new().route("/add", get(add)).layer(layer)
}

async fn shopping(redis: &RedisServer, breaking: impl FnOnce(), mending: impl FnOnce()) {
    let mut client = Client::of(vec![node(&redis.url()).await, node(&redis.url()).await]);
    let mut bought = 0;
    let mut buy = async |node: usize| {
        bought += 1;
        let answer = client.get(node, "/add").await;
        assert_eq!(answer.status, 200, "item {bought}: {}", answer.body);
        let (status, cart) = answer.body.split_once(' ').unwrap();
        assert_eq!(cart, bought.to_string(), "every item is in the cart, on every node");
        status.to_owned()
    };
    assert_eq!(buy(0).await, "new");
    for node in 0..4 {
        assert_eq!(buy(node).await, "live");
    }
    breaking();
    for node in 0..4 {
        assert_eq!(buy(node).await, "degraded", "Redis is away");
    }
    mending();
    let began = Instant::now();
    // The last item of the outage is in the cart, and so is every one of the recovery.
    for node in 0.. {
        if buy(node).await == "live" {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it does not recover");
    }
    for node in 0..4 {
        buy(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hangs_and_nobody_loses_a_cart() {
    let redis = require_server!(RedisServer::start());
    shopping(&redis, || redis.stop(), || redis.cont()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_nobody_loses_a_cart() {
    let redis = require_server!(RedisServer::builder().appendonly().start());
    shopping(&redis, || redis.kill(), || redis.restart()).await;
}
