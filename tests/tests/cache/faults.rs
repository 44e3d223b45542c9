//! A burst of notices, and a node that is cut off alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use unstick_cache::{Confirmation, Reached};
use unstick_stories::cache::source::Changed;
use unstick_testkit::{require_server, servers::RedisServer};

use crate::redis::Redis;

const BURST: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_of_notices_to_a_slow_receiver_is_a_gap_and_nothing_stays_stale() {
    let (bus, level) = (require_server!(RedisServer::start()), require_server!(RedisServer::start()));
    let redis = Redis::start(bus, Some(level)).await;
    let world = &redis.world;
    world.agrees().await; // and everything is cached
    // the last node takes its time over each notice until the burst is over
    let is_over = Arc::new(AtomicBool::new(false));
    let slow = world.nodes.last().unwrap();
    let watched = is_over.clone();
    slow.namespace.on_invalidate(move |invalidation| {
        if invalidation.reached() == Reached::Remote && !watched.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let here = &world.nodes[0];
    world.source.write(Changed { customer: 0, kind: None }).await.unwrap();
    let confirmed = stream::iter(0..BURST)
        .map(|number| async move { here.carts.invalidate(&(number % 1000, number / 1000)).await })
        .buffer_unordered(256)
        .filter(|invalidated| std::future::ready(invalidated.bus == Confirmation::Confirmed))
        .count()
        .await;
    is_over.store(true, Ordering::SeqCst);
    world.agrees().await;
    world.hears().await;
    let (slow, others): (_, Vec<_>) = (slow.counts(), world.nodes[1..4].iter().map(|node| node.counts().notices).collect());
    println!(
        "burst of {BURST}, {confirmed} confirmed at once: slow node {} notices and {} gaps, others {others:?} notices",
        slow.notices, slow.gaps
    );
    assert!(slow.gaps > 0, "{slow:?}");
}
