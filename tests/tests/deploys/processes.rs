//! Nodes that are processes, ended with SIGTERM as platforms do.

use unstick_stories::wire::{Process, get};
use unstick_testkit::{
    client::Jar,
    servers::balancer::{HaProxy, Health, route_of},
};

use crate::{
    clients::Crowd,
    site::{spec, start, until},
};

const NODE: &str = env!("CARGO_BIN_EXE_deploy-node");

async fn assert_continuity(node: &Process) {
    let (status, _, told) = get(node.address, "/continuity", &Jar::default()).await.unwrap();
    let (found, lost) = told.split_once(' ').unwrap();
    assert!(status == 200 && found.parse::<u64>().is_ok() && lost == "0", "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_begins_a_drain_that_nobody_notices() {
    let folder = tempfile::tempdir().unwrap();
    let sessions = format!("sqlite:{}?busy_timeout_ms=20000", folder.path().join("sessions.sqlite").display());
    let run = |address: &str, generation: usize| {
        Process::start_with(NODE, &[address, &generation.to_string()], &[("SESSIONS", sessions.clone())]).unwrap()
    };
    let mut nodes: Vec<Process> = (0..3).map(|_| run("127.0.0.1:0", 0)).collect();
    let spec = spec(HaProxy::InsertIndirect).health(Health::new("/ready")).nodes(nodes.iter().map(|node| node.address));
    let Some(balancer) = start(&spec) else { return };
    let crowd = Crowd::start(balancer.address());
    crowd.settled().await;
    for (at, node) in nodes.iter_mut().enumerate() {
        let instance = |generation: usize| format!("{}.{generation}", route_of(node.address));
        let (old, new) = (instance(0), instance(at + 1));
        until("it serves", || crowd.board.by(&old) > 0).await;
        node.terminate().unwrap();
        let told = crowd.board.len();
        // In turns, each node that is not out is given a new user.
        until("users moved", || !crowd.board.latest().contains(&old) && crowd.board.newcomers_elsewhere(&old, told) >= 20).await;
        assert_continuity(node).await;
        node.tell("close").unwrap();
        let mut ended = None;
        until("the process ends", || {
            ended = node.ended().unwrap();
            ended.is_some()
        })
        .await;
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
        *node = run(&node.address.to_string(), at + 1);
        until("the new one serves", || crowd.board.by(&new) >= 5).await;
    }
    assert!(crowd.board.moves() > 0);
    let (succeeded, failures) = crowd.finish().await;
    assert!(failures.is_empty(), "of {succeeded}: {failures:?}\n{}", balancer.log());
    for node in &nodes {
        assert_continuity(node).await;
    }
}
