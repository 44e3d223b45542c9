use std::sync::atomic::AtomicBool;

use unstick_testkit::{
    require_server,
    servers::{RedisCluster, RedisServer},
};

use super::*;
use crate::Push;

async fn message(subscription: &mut crate::Subscription) -> Bytes {
    loop {
        if let Push::Message(message) = subscription.next().await.expect("the client lives") {
            return message;
        }
    }
}

async fn publish(client: &RedisClient, channel: &str, payload: &str) -> Result<u64, Error> {
    client.publish(&op(seconds(2)), channel, Bytes::copy_from_slice(payload.as_bytes())).await
}

#[tokio::test]
async fn messages_reach_those_who_listen_to_their_channel() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let (mut a, mut b) = (client.subscribe("a").await.unwrap(), client.subscribe("b").await.unwrap());
    assert_eq!(publish(&client, "a", "1").await.unwrap(), 1, "subscribed when `subscribe` returns");
    assert_eq!(publish(&client, "b", "2").await.unwrap(), 1);
    assert_eq!(publish(&client, "c", "3").await.unwrap(), 0);
    assert_eq!(message(&mut a).await, "1");
    assert_eq!(message(&mut b).await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_survived_and_delays_no_command() {
    let redis = Arc::new(require_server!(RedisServer::start()));
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let mut subscription = client.subscribe("burst").await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let burst = tokio::task::spawn_blocking({
        let (redis, done) = (redis.clone(), done.clone());
        move || {
            let script = "for n = 1, 20000 do redis.call('PUBLISH', KEYS[1], n) end return 20000";
            let count = redis.command(&["EVAL", script, "1", "burst"]).unwrap().int();
            done.store(true, Ordering::Relaxed);
            count
        }
    });
    let (mut commands, mut longest) = (0, Duration::ZERO);
    while !done.load(Ordering::Relaxed) || commands < 50 {
        let start = std::time::Instant::now();
        set(&client, "k", "1").await.unwrap();
        longest = longest.max(start.elapsed());
        commands += 1;
    }
    assert_eq!(burst.await.unwrap(), Some(20_000));
    println!("{commands} commands during the burst, the longest took {longest:?}");
    // nobody took messages meanwhile: more than fit are lost, and told
    publish(&client, "burst", "after").await.unwrap();
    let (mut lagged, mut taken, mut last) = (0, 0u64, Bytes::new());
    while last != "after" {
        match subscription.next().await.expect("alive") {
            Push::Lagged(count) => lagged += count,
            Push::Message(message) => {
                taken += 1;
                last = message;
            }
            other => panic!("{other:?}"),
        }
    }
    println!("{taken} messages taken, {lagged} told as lost");
    assert!(lagged > 0, "the lag is told");
    assert!(lagged + taken <= 20_001, "none is counted twice");
    publish(&client, "burst", "and later").await.unwrap();
    assert_eq!(message(&mut subscription).await, "and later");
}

#[tokio::test]
async fn subscriptions_outlive_restarts_and_hung_servers() {
    let redis = require_server!(RedisServer::start());
    let client = RedisClient::connect(&redis.url()).await.unwrap();
    let mut subscription = client.subscribe("c").await.unwrap();
    redis.kill();
    assert_eq!(subscription.next().await, Some(Push::Lost));
    redis.restart();
    while subscription.next().await != Some(Push::Reconnected) {}
    until("a connection", || async { publish(&client, "c", "back").await.is_ok_and(|count| count == 1) }).await;
    assert_eq!(message(&mut subscription).await, "back");

    redis.stop();
    while subscription.next().await != Some(Push::Lost) {}
    redis.cont();
    while subscription.next().await != Some(Push::Reconnected) {}
    until("a connection", || async { publish(&client, "c", "again").await.is_ok_and(|count| count > 0) }).await;
    assert_eq!(message(&mut subscription).await, "again");
}

#[tokio::test]
async fn messages_cross_a_cluster_and_survive_its_failover() {
    let cluster = require_server!(RedisCluster::start());
    let (here, there) = (RedisClient::connect(&cluster.url()).await.unwrap(), RedisClient::connect(&cluster.url()).await.unwrap());
    let mut subscription = here.subscribe("c").await.unwrap();
    publish(&there, "c", "1").await.unwrap();
    assert_eq!(message(&mut subscription).await, "1");
    // whichever node the subscription is with
    let masters: Vec<_> = cluster.masters();
    masters[0].stop();
    let arrives = tokio::spawn(async move {
        let mut subscription = subscription;
        loop {
            if message(&mut subscription).await == "2" {
                return;
            }
        }
    });
    until("a message", || async {
        _ = publish(&there, "c", "2").await;
        arrives.is_finished()
    })
    .await;
    arrives.await.unwrap();
}
