//! The bus contract on real servers.

mod common;

use common::{SECOND, fresh_prefix};
use unstick_core::{Runtime, bus::Pace};
use unstick_redis::{RedisBus, RedisClient};
use unstick_testkit::{
    bus::BusFactory,
    require_server,
    servers::{RedisCluster, RedisSentinel, RedisServer, Shared},
};

static SINGLE: Shared<RedisServer> = Shared::new(RedisServer::start);
static CLUSTER: Shared<RedisCluster> = Shared::new(RedisCluster::start);
static SENTINEL: Shared<RedisSentinel> = Shared::new(RedisSentinel::start);

/// A user who may do what the documentation lists for messages, on the channels that the bus names, and nothing else.
static NARROW: Shared<RedisServer> = Shared::new(|| {
    let documented = include_str!("../src/client/handle.rs");
    let rights = documented.lines().find_map(|line| line.strip_prefix("/// | messages | `")).and_then(|line| line.split('`').next());
    let rights = rights.expect("what messages need");
    let user = format!("user app on >word resetkeys resetchannels &t*:{{bus}}* -@all +hello +client|id +time {rights}");
    RedisServer::builder().line(user).start()
});

/// Each fleet under a prefix of its own.
struct Channels<'a> {
    address: String,
    runtime: Runtime,
    /// One that may be killed.
    server: Option<&'a RedisServer>,
}

impl Channels<'_> {
    fn new(address: String) -> Self {
        Self { address, runtime: Runtime::tokio(), server: None }
    }
}

impl BusFactory for Channels<'_> {
    type Bus = RedisBus;

    async fn open(&self, nodes: usize) -> Vec<RedisBus> {
        let prefix = fresh_prefix();
        let connect = async || {
            let builder = RedisClient::builder(&self.address).prefix(&prefix).runtime(self.runtime.clone());
            builder.deadline(30 * SECOND).connect_timeout(20 * SECOND).connect().await.unwrap()
        };
        let mut clients = vec![];
        for _ in 0..nodes.min(4) {
            clients.push(connect().await);
        }
        clients.iter().cycle().take(nodes).map(|client| RedisBus::with(client, Pace::default(), 2000).unwrap()).collect()
    }

    fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    async fn cut(&self) -> bool {
        tokio::task::block_in_place(|| self.server.map(|server| server.kill())).is_some()
    }

    async fn restore(&self) {
        tokio::task::block_in_place(|| self.server.map(|server| server.restart()));
    }
}

mod single {
    use super::*;
    unstick_testkit::bus_contract_suite!(Channels::new(require_server!(SINGLE.get()).url()));
}

mod cluster {
    use super::*;
    unstick_testkit::bus_contract_suite!(Channels::new(require_server!(CLUSTER.get()).url()));
}

mod sentinel {
    use super::*;
    unstick_testkit::bus_contract_suite!(Channels::new(require_server!(SENTINEL.get()).url()));
}

mod narrow_permissions {
    use super::*;
    unstick_testkit::bus_contract_suite!(Channels::new(format!("redis://app:word@{}", require_server!(NARROW.get()).address())));
}

/// The cases that break connections, each with a server of its own.
mod killed {
    use unstick_testkit::bus::{cuts, run_case};

    use super::*;

    macro_rules! killed {
        ($($case:ident),*) => { $(
            #[test]
            fn $case() {
                let server = require_server!(RedisServer::start());
                let factory = Channels { server: Some(&server), ..Channels::new(server.url()) };
                run_case(&factory, async |bench| cuts::$case(bench).await);
            }
        )* };
    }

    killed!(a_cut_is_told, back_means_gap_then_restored, nothing_is_proven_while_cut, publishing_while_cut_is_not_confirmed);
}
