//! Redis with replicas: masters that die and masters that hang, under Sentinel and in a Cluster.

use std::time::Duration;

use unstick_stories::outage::{Outage, Settings};
use unstick_testkit::{
    load::Report,
    require_server,
    servers::{RedisCluster, RedisSentinel, RedisServer},
};

use super::{Allowed, tell};

/// The servers need 2 to 5 seconds to make a replica the master; a node that never noticed would take for ever.
fn left_behind(report: &Report<String>) {
    let well = report.steady_after_start.expect("steady at the end");
    assert!(well < Duration::from_secs(15), "the nodes did not follow to the new master: {report}");
}

async fn sentinel(fault: &str, group: &RedisSentinel, breaking: fn(&RedisServer)) {
    let mut outage = Outage::prepare(&group.url(), Settings::default()).await;
    let master = group.master();
    outage.broken(|| breaking(master));
    tokio::task::block_in_place(|| group.await_failover(master));
    let (report, _) = tell(fault, outage, Allowed::LastChanges).await;
    left_behind(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinel_replaces_a_dead_master() {
    let group = require_server!(RedisSentinel::start());
    sentinel("the master under Sentinel is killed (SIGKILL)", &group, RedisServer::kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinel_replaces_a_hung_master() {
    let group = require_server!(RedisSentinel::start());
    sentinel("the master under Sentinel hangs (SIGSTOP)", &group, RedisServer::stop).await;
}

async fn cluster(fault: &str, cluster: &RedisCluster, breaking: fn(&RedisServer)) {
    let mut outage = Outage::prepare(&cluster.url(), Settings::default()).await;
    let master = cluster.masters()[0];
    outage.broken(|| breaking(master));
    // a third of the sessions is there: the load as a whole goes on, so success alone tells nothing yet
    outage.lasts(Duration::from_secs(8)).await;
    let (report, _) = tell(fault, outage, Allowed::LastChanges).await;
    left_behind(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_replaces_a_dead_master() {
    let servers = require_server!(RedisCluster::start());
    cluster("a Cluster master is killed (SIGKILL)", &servers, RedisServer::kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_replaces_a_hung_master() {
    let servers = require_server!(RedisCluster::start());
    cluster("a Cluster master hangs (SIGSTOP)", &servers, RedisServer::stop).await;
}
