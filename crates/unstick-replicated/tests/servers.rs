//! Redis and PostgreSQL as one store, on real servers: the contract, races, and the loss of either under writers.

mod common;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use common::AMPLE;
use unstick_redis::{RedisClient, RedisStore};
use unstick_replicated::Replicated;
use unstick_sql::postgres::PostgresStore;
use unstick_testkit::{
    contract::StoreFactory,
    races, require_server,
    servers::{PostgresServer, RedisServer, Shared},
};

static REDIS: Shared<RedisServer> = Shared::new(RedisServer::start);
static POSTGRES: Shared<PostgresServer> = Shared::new(|| PostgresServer::builder().without_fsync().start());
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Keys and tables of its own for each store.
struct Servers {
    redis: String,
    postgres: String,
    number: Mutex<u32>,
}

type Pair = Replicated<RedisStore, PostgresStore>;

async fn redis(url: &str, prefix: &str) -> RedisStore {
    let client = RedisClient::builder(url).prefix(prefix).deadline(AMPLE).connect_timeout(Duration::from_secs(20));
    RedisStore::new(&client.connect().await.unwrap()).unwrap()
}

impl Servers {
    fn new(redis: &RedisServer, postgres: &PostgresServer) -> Self {
        Self { redis: redis.url(), postgres: postgres.url(), number: Mutex::new(0) }
    }

    async fn connect(&self) -> Pair {
        let number = *self.number.lock().unwrap();
        let postgres = PostgresStore::builder(&self.postgres).prefix(&format!("r{number}_")).acquire_timeout(Duration::from_secs(20));
        let b = postgres.sweep_interval(Duration::ZERO).connect().await.unwrap();
        Replicated::builder(redis(&self.redis, &format!("r{number}:")).await, b).patience(AMPLE).build()
    }
}

impl StoreFactory for Servers {
    type Store = Pair;

    async fn open(&self) -> Pair {
        *self.number.lock().unwrap() = NEXT.fetch_add(1, Ordering::Relaxed);
        self.connect().await
    }

    async fn open_again(&self, _: &Pair) -> Option<Pair> {
        Some(self.connect().await)
    }

    fn sweeps(&self) -> bool {
        false
    }
}

mod contract {
    use super::*;
    unstick_testkit::contract_suite!(Servers::new(require_server!(REDIS.get()), require_server!(POSTGRES.get())));
}

#[test]
fn two_hundred_schedules() {
    races::run_seeded(&Servers::new(require_server!(REDIS.get()), require_server!(POSTGRES.get())), 200);
}
