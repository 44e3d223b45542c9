//! Shared by the tests: prefixes of their own, sessions, operations, and commands beside the store.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use unstick_core::*;
use unstick_redis::{RedisClient, RedisStore};
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
    servers::RedisServer,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

static NEXT: AtomicU64 = AtomicU64::new(1);

pub(crate) fn fresh_prefix() -> String {
    format!("t{}:", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn store_at(address: &str, prefix: &str) -> RedisStore {
    let client = RedisClient::builder(address).prefix(prefix).deadline(30 * SECOND).connect_timeout(20 * SECOND);
    RedisStore::new(&client.connect().await.unwrap()).unwrap()
}

/// Each store under a prefix of its own.
pub(crate) struct Prefixes {
    address: String,
    prefix: Mutex<String>,
    clock: Option<ManualClock>,
}

impl Prefixes {
    pub(crate) fn new(address: String) -> Self {
        Self { address, prefix: Mutex::default(), clock: None }
    }

    pub(crate) fn with_clock(address: String) -> Self {
        Self { clock: Some(ManualClock::default()), ..Self::new(address) }
    }

    async fn at(&self, prefix: &str) -> RedisStore {
        // as long as the suite's longest case may take on a busy machine
        let builder = RedisClient::builder(&self.address).prefix(prefix).deadline(30 * SECOND).connect_timeout(20 * SECOND);
        let builder = match &self.clock {
            Some(clock) => builder.runtime(clock.runtime()),
            None => builder,
        };
        RedisStore::new(&builder.connect().await.unwrap()).unwrap()
    }
}

impl StoreFactory for Prefixes {
    type Store = RedisStore;

    async fn open(&self) -> RedisStore {
        let prefix = fresh_prefix();
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

/// An operation at the system's time with ten seconds to spend.
pub(crate) fn op() -> OpCtx {
    at(Timestamp::system_now())
}

pub(crate) fn at(now: Timestamp) -> OpCtx {
    let number = u128::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 64 | u128::from(std::process::id());
    OpCtx { now, deadline: now + 10 * SECOND, op_id: OpId::from_u128(number) }
}

#[derive(Clone, Copy)]
pub(crate) struct Session {
    pub(crate) credential: Credential,
    pub(crate) key: RecordKey,
    pub(crate) presented: Presented,
}

impl From<Credential> for Session {
    fn from(credential: Credential) -> Self {
        Self { credential, key: credential.lineage().record_key(), presented: Presented::from(&credential) }
    }
}

impl Session {
    pub(crate) fn new() -> Self {
        let now = Timestamp::system_now();
        Self::from(Credential::issue(now, now + 600 * SECOND, now + 6000 * SECOND).unwrap())
    }

    pub(crate) fn record(&self, principal: Option<&str>, fields: Fields) -> NewRecord {
        NewRecord {
            secret: self.presented.secret,
            principal: principal.map(Into::into),
            created: self.credential.issued(),
            idle_deadline: self.credential.idle_deadline(),
            absolute_deadline: self.credential.absolute_deadline(),
            fields,
        }
    }

    pub(crate) async fn create(store: &RedisStore) -> Self {
        Self::create_for(store, None).await
    }

    pub(crate) async fn create_for(store: &RedisStore, principal: Option<&str>) -> Self {
        let session = Self::new();
        assert_eq!(store.create(op(), session.key, &session.record(principal, Fields::default())).await.unwrap(), Created::Done);
        session
    }

    /// Where the session is, in a store with this prefix.
    pub(crate) fn place(&self, prefix: &str) -> String {
        format!("{prefix}s:{{{}}}", self.key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(crate) async fn apply(&self, store: &RedisStore, change: &Change) -> Applied {
        store.apply(op(), self.key, self.presented, change).await.unwrap()
    }

    pub(crate) async fn set(&self, store: &RedisStore, name: &str, value: &str) {
        let applied = self.apply(store, &Change::new().set(name, value.to_owned())).await;
        assert!(applied.is_done(), "{applied:?}");
    }

    pub(crate) async fn load(&self, store: &RedisStore) -> Loaded {
        store.load(op(), self.key, self.presented, None).await.unwrap()
    }

    pub(crate) async fn fields(&self, store: &RedisStore) -> Fields {
        match self.load(store).await {
            Loaded::Live(session) => session.fields,
            other => panic!("not live: {other:?}"),
        }
    }

    /// The value of a field as text, empty when absent.
    pub(crate) async fn text(&self, store: &RedisStore, name: &str) -> String {
        self.fields(store).await.get(name).map_or(String::new(), |field| String::from_utf8(field.value.to_vec()).unwrap())
    }

    pub(crate) fn rotation(&self, grace: Option<Duration>, principal: Option<&str>) -> (Self, Rotation) {
        let now = Timestamp::system_now();
        let next = Self::from(self.credential.rotate(now, now + 600 * SECOND).unwrap());
        let rotation = Rotation {
            secret: next.presented.secret,
            grace_until: grace.map(|grace| now + grace),
            principal: principal.map(Into::into),
            idle_deadline: next.credential.idle_deadline(),
            overlap_since: now - 30 * SECOND,
        };
        (next, rotation)
    }
}

/// How often each command was carried out, those within scripts included.
pub(crate) fn calls(redis: &RedisServer, command: &str) -> u64 {
    let info = redis.info("commandstats").unwrap();
    let line = info.get(&format!("cmdstat_{command}")).unwrap_or("calls=0,").to_owned();
    line.split(',').next().unwrap().strip_prefix("calls=").unwrap().parse().unwrap()
}

/// Everything under a prefix, as the server dumps it.
pub(crate) fn content(redis: &RedisServer, prefix: &str) -> Vec<(String, String)> {
    let keys = redis.command(&["KEYS", &format!("{prefix}*")]).unwrap();
    let mut all: Vec<(String, String)> =
        keys.list().iter().map(|key| (key.text(), format!("{:?}", redis.command(&["DUMP", &key.text()]).unwrap()))).collect();
    all.sort();
    all
}
