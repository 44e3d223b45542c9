//! The store contract on a real server, with a second set of connections as another node.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use unstick_redis::RedisStore;
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
    require_server,
    servers::{RedisServer, Shared},
};

static REDIS: Shared<RedisServer> = Shared::new(RedisServer::start);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Each store under a prefix of its own.
struct Prefixes {
    server: &'static RedisServer,
    prefix: Mutex<String>,
    clock: Option<ManualClock>,
}

impl Prefixes {
    fn new(server: &'static RedisServer, clock: Option<ManualClock>) -> Self {
        Self { server, prefix: Mutex::default(), clock }
    }

    async fn at(&self, prefix: &str) -> RedisStore {
        let builder = RedisStore::builder(&self.server.url()).prefix(prefix);
        match &self.clock {
            Some(clock) => builder.runtime(clock.runtime()),
            None => builder,
        }
        .connect()
        .await
        .unwrap()
    }
}

impl StoreFactory for Prefixes {
    type Store = RedisStore;

    async fn open(&self) -> RedisStore {
        let prefix = format!("t{}:", NEXT.fetch_add(1, Ordering::Relaxed));
        self.prefix.lock().unwrap().clone_from(&prefix);
        self.at(&prefix).await
    }

    async fn open_again(&self, _: &RedisStore) -> Option<RedisStore> {
        let prefix = self.prefix.lock().unwrap().clone();
        Some(self.at(&prefix).await)
    }

    fn clock(&self) -> TestClock {
        self.clock.clone().map_or(TestClock::System, TestClock::Manual)
    }

    fn sweeps(&self) -> bool {
        false
    }
}

mod system_clock {
    use super::*;
    unstick_testkit::contract_suite!(Prefixes::new(require_server!(REDIS.get()), None));
}

mod manual_clock {
    use super::*;
    unstick_testkit::contract_suite!(Prefixes::new(require_server!(REDIS.get()), Some(ManualClock::default())));
}
