//! Processes that are killed at the worst moment.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use http::Method;
use unstick_stories::{
    cache::{
        load::{Nodes, Reply},
        source::Source,
        wire::{Places, Processes},
    },
    stores::Server,
};
use unstick_testkit::{require_server, servers::RedisServer};

use crate::processes::NODE;

async fn get(nodes: &Processes, node: usize) -> Reply {
    nodes.ask(node, Method::GET, "/carts/1/1".to_owned(), String::new()).await.unwrap()
}

/// Until a node's counters are as wanted.
async fn until(nodes: &Processes, node: usize, is: impl Fn(&unstick_stories::cache::counts::Counts) -> bool) {
    let begun = Instant::now();
    while !is(&nodes.counts(node).await.unwrap()) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", nodes.counts(node).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_holder_of_a_lease_is_killed_and_one_other_loads() {
    const WAITING: usize = 20;
    let redis = require_server!(RedisServer::start());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("carts.sqlite");
    let places = Places { source: format!("sqlite:{}", path.display()), bus: redis.url(), level: Some(redis.url()) };
    let nodes = Arc::new(Processes::start(NODE, places, &[1; 3]).unwrap());

    nodes.ask(0, Method::PUT, "/hang".to_owned(), String::new()).await.unwrap();
    let leader = tokio::spawn({
        let nodes = nodes.clone();
        async move { nodes.ask(0, Method::GET, "/carts/1/1".to_owned(), String::new()).await }
    });
    until(&nodes, 0, |counts| counts.hung == 1).await;
    let waiting = tokio::spawn({
        let nodes = nodes.clone();
        async move { join_all((0..WAITING).map(|number| get(&nodes, 1 + number % 2))).await }
    });
    for node in [1, 2] {
        until(&nodes, node, |counts| counts.misses == WAITING as u64 / 2).await;
    }
    assert!(!waiting.is_finished(), "nobody has the cart");
    nodes.kill(0).unwrap();
    let killed = Instant::now();
    let answers = waiting.await.unwrap();
    println!("{WAITING} waited for {:?} after the kill", killed.elapsed());
    assert!(answers.iter().all(|reply| reply.status == 200 && reply.body == "0"), "{answers:?}");
    assert!(leader.await.unwrap().is_err());
    let loads = [nodes.counts(1).await.unwrap().loads, nodes.counts(2).await.unwrap().loads];
    assert_eq!(loads.iter().sum::<u64>(), 1, "one retry: {loads:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_the_commit_loses_no_invalidation() {
    require_server!(Server::Postgres.ready());
    for level in [None, Some(require_server!(RedisServer::start()))] {
        let url = Server::Postgres.place();
        let source = Source::postgres(&url).await.unwrap();
        let places = Places { source: url.clone(), bus: url.clone(), level: level.as_ref().map(RedisServer::url) };
        let nodes = Arc::new(Processes::start(NODE, places, &[1; 3]).unwrap());
        for node in 0..3 {
            for _ in 0..2 {
                assert_eq!(get(&nodes, node).await.body, "0");
            }
        }
        let writing = tokio::spawn({
            let nodes = nodes.clone();
            async move { nodes.ask(0, Method::PUT, "/unfinished/1/1".to_owned(), String::new()).await }
        });
        let begun = Instant::now();
        // as soon as it is committed, whatever the writer has done since then
        while source.read(1, 1).await.unwrap() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(30));
        }
        nodes.kill(0).unwrap();
        let killed = Instant::now();
        assert!(writing.await.unwrap().is_err(), "no answer");
        for node in [1, 2] {
            while get(&nodes, node).await.body != "1" {
                assert!(killed.elapsed() < Duration::from_secs(30), "a cart lives for a minute; that would be it");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        println!("level {}: everybody had it {:?} after the kill", level.is_some(), killed.elapsed());
        // and the level has nothing else for a newcomer
        nodes.restart(0).unwrap();
        assert_eq!(get(&nodes, 0).await.body, "1");
    }
}
