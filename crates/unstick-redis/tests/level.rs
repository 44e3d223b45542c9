//! The level contract on real servers, each node with connections of its own.

mod level_common;

use level_common::Levels;
use unstick_testkit::{
    require_server,
    servers::{RedisCluster, RedisSentinel, RedisServer, Shared},
};

static SINGLE: Shared<RedisServer> = Shared::new(RedisServer::start);
static CLUSTER: Shared<RedisCluster> = Shared::new(RedisCluster::start);
static SENTINEL: Shared<RedisSentinel> = Shared::new(RedisSentinel::start);

/// A user who may do what the documentation lists, and nothing else.
static NARROW: Shared<RedisServer> = Shared::new(|| {
    let documented = include_str!("../src/client/handle.rs");
    let lines: Vec<&str> = documented.lines().filter_map(|line| line.strip_prefix("/// +")).collect();
    let of_levels = documented.lines().find_map(|line| line.strip_prefix("/// | a cache level | `")).unwrap().trim_end_matches("` |");
    assert!(lines.len() > 1, "the list is there");
    let rights = format!("+{} {of_levels}", lines.join(" +"));
    RedisServer::builder().line(format!("user app on >word resetkeys ~l* resetchannels -@all {rights}")).start()
});

mod single {
    use super::*;
    unstick_testkit::level_suite!(Levels::new(require_server!(SINGLE.get()).url()));
}

mod cluster {
    use super::*;
    unstick_testkit::level_suite!(Levels::new(require_server!(CLUSTER.get()).url()));
}

mod sentinel {
    use super::*;
    unstick_testkit::level_suite!(Levels::new(require_server!(SENTINEL.get()).url()));
}

mod narrow_permissions {
    use super::*;
    unstick_testkit::level_suite!(Levels::new(format!("redis://app:word@{}", require_server!(NARROW.get()).address())));
}
