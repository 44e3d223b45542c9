//! The store contract on real servers, with a second set of connections as another node.

mod common;

use common::Prefixes;
use unstick_testkit::{
    require_server,
    servers::{RedisCluster, RedisSentinel, RedisServer, Shared},
};

static SINGLE: Shared<RedisServer> = Shared::new(RedisServer::start);
static CLUSTER: Shared<RedisCluster> = Shared::new(RedisCluster::start);
static SENTINEL: Shared<RedisSentinel> = Shared::new(RedisSentinel::start);

mod system_clock {
    use super::*;
    unstick_testkit::contract_suite!(Prefixes::new(require_server!(SINGLE.get()).url()));
}

mod manual_clock {
    use super::*;
    unstick_testkit::contract_suite!(Prefixes::with_clock(require_server!(SINGLE.get()).url()));
}

mod cluster {
    use super::*;
    unstick_testkit::contract_suite!(Prefixes::new(require_server!(CLUSTER.get()).url()));
}

mod sentinel {
    use super::*;
    unstick_testkit::contract_suite!(Prefixes::new(require_server!(SENTINEL.get()).url()));
}
