//! One Redis that hangs, dies, forgets, and runs out of memory.

use unstick_core::EventKind;
use unstick_stories::outage::{Outage, Row, Settings};
use unstick_testkit::{require_server, servers::RedisServer};

use super::{A_WHILE, Allowed, answered_in_time, broken_for, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hangs() {
    let redis = require_server!(RedisServer::start());
    let report = broken_for(A_WHILE, "Redis hangs for 3 s (SIGSTOP, SIGCONT)", &redis.url(), || redis.stop(), || redis.cont()).await;
    assert!(report.errors.contains_key("503"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dies_and_comes_back() {
    let redis = require_server!(RedisServer::builder().appendonly().start());
    let fault = "Redis with `appendonly yes` is killed and started again after 3 s (SIGKILL)";
    let report = broken_for(A_WHILE, fault, &redis.url(), || redis.kill(), || redis.restart()).await;
    assert!(report.errors.contains_key("503"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_full() {
    let redis = require_server!(RedisServer::builder().max_memory("100mb", "noeviction").start());
    let fault = "Redis is full for 3 s (`maxmemory-policy noeviction`)";
    let limit = |bytes: &str| drop(redis.command(&["CONFIG", "SET", "maxmemory", bytes]).unwrap());
    let report = broken_for(A_WHILE, fault, &redis.url(), || limit("100000"), || limit("100mb")).await;
    assert!(report.errors.contains_key("503"), "{report}");
}

/// Nothing can bring sessions back that the server dropped; but they are reported, and everything else goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgets_everything() {
    let redis = require_server!(RedisServer::start());
    let mut outage = Outage::prepare(&redis.url(), Settings::default()).await;
    assert!(outage.layers.iter().all(|layer| layer.continuity().lost == 0));
    outage.broken(|| redis.command(&["FLUSHALL"]).unwrap());
    loses_sessions("Redis forgets everything (FLUSHALL)", outage).await;
    let after = Outage::prepare(&redis.url(), Settings::default()).await;
    tell("the same, later: sessions created after the FLUSHALL", after, Allowed::Nothing).await;
}

/// The same by and by; and the policy that does it is named from the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evicts_sessions() {
    let redis = require_server!(RedisServer::builder().max_memory("8mb", "allkeys-random").start());
    let mut outage = Outage::prepare(&redis.url(), Settings::default()).await;
    assert!(outage.log.count(EventKind::EvictionPolicy) > 0, "a policy that drops sessions is told");
    outage.broken(|| fill(&redis));
    loses_sessions("Redis evicts keys (`maxmemory-policy allkeys-random`)", outage).await;
}

/// Sessions are gone: reported as lost, answered as empty, and nothing else breaks.
async fn loses_sessions(fault: &str, outage: Outage) {
    outage.lasts(A_WHILE).await;
    let counts: Vec<_> = outage.layers.iter().map(|layer| layer.continuity()).collect();
    assert!(counts.iter().any(|count| count.lost > 0 && count.rate() < 1.0), "{counts:?}");
    assert!(outage.log.count(EventKind::SessionLost) > 0);
    let (report, _) = outage.finish().await;
    println!("{}", Row { fault, report: &report, losses: None });
    answered_in_time(&report);
    assert_eq!(report.errors.keys().collect::<Vec<_>>(), ["empty session"], "{report}");
}

const FILLERS: usize = 700;

/// Other keys, until the memory is used up.
fn fill(redis: &RedisServer) {
    let filler = "x".repeat(20_000);
    for at in 0..FILLERS {
        // refused from some point on, where nothing is evicted
        let _ = redis.command(&["SET", &format!("filler-{at}"), &filler]);
    }
}
