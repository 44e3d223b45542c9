//! Two releases side by side, whose carts are encoded differently, over one level.

use std::{io, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use unstick_cache::{Cache, Namespace};
use unstick_core::Runtime;
use unstick_redis::{RedisBus, RedisClient, RedisLevel};
use unstick_stories::cache::{
    app::Cart,
    load::{Load, Mix},
    source::{Changed, Source},
    wire::{Places, Processes},
};
use unstick_testkit::{require_server, servers::RedisServer, staleness::Rules};

use crate::{processes::NODE, world::ALIVE_FOR};

/// What the next release makes of a cart: the same fields in another order, which the old one would take for its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Next {
    version: String,
    customer: u64,
    kind: u64,
}

async fn namespace(url: &str) -> Namespace {
    let runtime = Runtime::tokio();
    let client = RedisClient::builder(url).runtime(runtime.clone()).connect_timeout(Duration::from_secs(20)).connect().await.unwrap();
    let builder = Namespace::builder("shop").runtime(runtime).level_deadline(Duration::from_secs(10)).bus_deadline(Duration::from_secs(10));
    builder.bus(RedisBus::new(&client).unwrap()).level(RedisLevel::new(&client).unwrap()).build().await.unwrap()
}

async fn old(cache: &Cache<(u64, u64), Cart>, source: &Source) -> u64 {
    let source = source.clone();
    let load = move || async move { Ok::<_, io::Error>(Cart { customer: 1, kind: 1, version: source.read(1, 1).await? }) };
    cache.get_or_load((1, 1), load).await.unwrap().version
}

async fn next(cache: &Cache<(u64, u64), Next>, source: &Source) -> u64 {
    let source = source.clone();
    let load = move || async move { Ok::<_, io::Error>(Next { customer: 1, kind: 1, version: format!("v{}", source.read(1, 1).await?) }) };
    cache.get_or_load((1, 1), load).await.unwrap().version.trim_start_matches('v').parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_release_reads_the_others_bytes_and_both_hear_both() {
    let redis = require_server!(RedisServer::start());
    let (mut olds, mut nexts) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let tags = |key: &(u64, u64)| vec![format!("customer:{}", key.0)];
        let cache = namespace(&redis.url()).await.cache::<_, Cart>("carts").tags(move |key, _| tags(key)).shared().build().unwrap();
        olds.push(cache);
        let cache = namespace(&redis.url()).await.cache::<_, Next>("carts").tags(move |key, _| tags(key)).schema(2).shared().build();
        nexts.push(cache.unwrap());
    }
    let source = Source::memory();
    for round in 0..6 {
        for cache in &olds {
            while old(cache, &source).await != round {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        for cache in &nexts {
            while next(cache, &source).await != round {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        source.write(Changed { customer: 1, kind: Some(1) }).await.unwrap();
        match round {
            0 => drop(olds[0].invalidate(&(1, 1)).await),
            1 => drop(nexts[0].invalidate(&(1, 1)).await),
            2 => drop(olds[0].namespace().invalidate_tag("customer:1").await),
            3 => drop(nexts[0].namespace().invalidate_tag("customer:1").await),
            4 => drop(olds[0].namespace().clear().await),
            _ => drop(nexts[0].namespace().clear().await),
        }
    }
    let stats: Vec<_> = olds.iter().map(Cache::stats).chain(nexts.iter().map(Cache::stats)).collect();
    assert!(stats.iter().all(|stats| stats.undecodable == 0), "{stats:?}");
    for release in stats.chunks(2) {
        assert!(release.iter().map(|stats| stats.level_hits).sum::<u64>() >= 6, "one loads for both nodes of a release: {stats:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_two_releases_under_load() {
    const REQUESTS: usize = 20_000;
    let redis = require_server!(RedisServer::start());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("carts.sqlite");
    let places = Places { source: format!("sqlite:{}", path.display()), bus: redis.url(), level: Some(redis.url()) };
    let nodes = Arc::new(Processes::start(NODE, places, &[1, 1, 2, 2]).unwrap());
    let load = Load::start(nodes.clone(), Mix::default(), 7);
    load.progress.reaches(REQUESTS).await;
    let failed = load.progress.failed();
    let ledger = load.finish().await;
    let longest = ledger.reads().iter().map(|read| read.received - read.sent).max().unwrap_or_default();
    let verdict = ledger.judge(&Rules::new(ALIVE_FOR + longest));
    let mut counts = Vec::new();
    for node in 0..4 {
        counts.push(nodes.counts(node).await.unwrap());
    }
    println!("two releases: {verdict}; {counts:?}");
    assert!(verdict.is_sound() && verdict.after_own > 0 && failed == 0, "{failed} {verdict}");
    assert!(counts.iter().all(|counts| counts.undecodable == 0 && counts.level_hits > 0 && counts.notices > 0), "{counts:?}");
}
