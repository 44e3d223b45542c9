//! Seeded schedules with two nodes, on every arrangement of servers.

mod common;

use common::Prefixes;
use unstick_testkit::{
    races, require_server,
    servers::{RedisCluster, RedisSentinel, RedisServer},
};

#[test]
fn two_hundred_schedules() {
    let redis = require_server!(RedisServer::start());
    races::run_seeded(&Prefixes::new(redis.url()), 200);
}

#[test]
fn two_hundred_schedules_while_time_moves() {
    let redis = require_server!(RedisServer::start());
    races::run_seeded(&Prefixes::with_clock(redis.url()), 200);
}

#[test]
fn two_hundred_schedules_on_a_cluster() {
    let cluster = require_server!(RedisCluster::start());
    races::run_seeded(&Prefixes::new(cluster.url()), 200);
}

#[test]
fn two_hundred_schedules_behind_sentinels() {
    let sentinel = require_server!(RedisSentinel::start());
    races::run_seeded(&Prefixes::new(sentinel.url()), 200);
}
