//! Concurrent requests of one session, on two nodes: nothing is lost.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use unstick_stories::{Backend, Cluster, on_every};

const CONCURRENT: usize = 32;

async fn different_keys_all_survive(backend: Backend, read_first: bool) {
    let cluster = Cluster::start(backend).await;
    let mut client = cluster.client();
    client.get(0, "/set?first=1").await;
    let read = if read_first { "&read=1" } else { "" };
    let paths = (0..CONCURRENT).map(|at| (at, format!("/slow?gate=all&k=key{at}&v={at}{read}")));
    let requests: Vec<_> = paths.map(|(at, path)| tokio::spawn(client.send(at, &path))).collect();
    for _ in 0..CONCURRENT {
        cluster.app.gate("all").arrived().await;
    }
    cluster.app.gate("all").open(CONCURRENT);
    for answer in join_all(requests).await {
        assert_eq!(answer.unwrap().status, 200);
    }
    for node in 0..cluster.nodes() {
        let told = client.get(node, "/status").await.body;
        let keys: BTreeSet<&str> = told.rsplit(' ').next().unwrap().split(',').collect();
        assert_eq!(keys.len(), CONCURRENT + 1, "on node {node}: {told}");
    }
}

async fn same_key_updates_all_count(backend: Backend) {
    let cluster = Cluster::start(backend).await;
    let mut client = cluster.client();
    client.get(0, "/set?first=1").await;
    let requests: Vec<_> = (0..CONCURRENT).map(|at| tokio::spawn(client.send(at, "/count"))).collect();
    let mut seen = BTreeSet::new();
    for answer in join_all(requests).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        seen.insert(answer.body.parse::<u64>().unwrap());
    }
    assert_eq!(seen, (1..=CONCURRENT as u64).collect(), "every increment gave its own number");
    assert_eq!(client.get(1, "/count").await.body, (CONCURRENT + 1).to_string());
}

async fn different_keys_written_blind(backend: Backend) {
    different_keys_all_survive(backend, false).await;
}

async fn different_keys_after_a_read(backend: Backend) {
    different_keys_all_survive(backend, true).await;
}

on_every! {
    different_keys_written_blind;
    different_keys_after_a_read;
    same_key_updates_all_count;
}
