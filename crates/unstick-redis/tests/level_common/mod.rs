//! Shared by the tests of levels: prefixes of their own, operations, loads.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use unstick_core::{Filled, Held, Level, LevelKey, LevelValue, Looked, OpCtx, OpId, Timestamp, Want};
use unstick_redis::{RedisClient, RedisLevel};
use unstick_testkit::level::LevelFactory;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const WANT: Want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };

static NEXT: AtomicU64 = AtomicU64::new(1);

pub(crate) fn fresh_prefix() -> String {
    format!("l{}:", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn level_at(address: &str, prefix: &str) -> RedisLevel {
    // as long as the suite's longest case may take on a busy machine
    let client = RedisClient::builder(address).prefix(prefix).deadline(30 * SECOND).connect_timeout(20 * SECOND);
    RedisLevel::new(&client.connect().await.unwrap()).unwrap()
}

/// Each level under a prefix of its own.
pub(crate) struct Levels {
    address: String,
    prefix: Mutex<String>,
}

impl Levels {
    pub(crate) fn new(address: String) -> Self {
        Self { address, prefix: Mutex::default() }
    }
}

impl LevelFactory for Levels {
    type Level = RedisLevel;

    async fn open(&self) -> RedisLevel {
        let prefix = fresh_prefix();
        self.prefix.lock().unwrap().clone_from(&prefix);
        level_at(&self.address, &prefix).await
    }

    async fn open_again(&self, _: &RedisLevel) -> RedisLevel {
        let prefix = self.prefix.lock().unwrap().clone();
        level_at(&self.address, &prefix).await
    }
}

/// An operation with ten seconds to spend.
pub(crate) fn op() -> OpCtx {
    let number = u128::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 64 | u128::from(std::process::id());
    let now = Timestamp::system_now();
    OpCtx { now, deadline: now + 10 * SECOND, op_id: OpId::from_u128(number) }
}

pub(crate) fn value(text: &'static str, tags: &[&str]) -> LevelValue {
    LevelValue { bytes: text.into(), tags: tags.iter().map(|tag| (*tag).into()).collect(), fresh: 10 * MINUTE, kept: 20 * MINUTE }
}

pub(crate) async fn lease(level: &RedisLevel, key: &LevelKey) -> Held {
    match level.read_or_lease(op(), key, &WANT).await.unwrap() {
        Looked::Leased { token, start, .. } => Held { schema: 1, token, start },
        other => panic!("a lease should be free: {other:?}"),
    }
}

pub(crate) async fn put(level: &RedisLevel, key: &LevelKey, value: &LevelValue) {
    let held = lease(level, key).await;
    assert_eq!(level.fill(op(), key, held, value).await.unwrap(), Filled::Done { awaited: false });
}

pub(crate) async fn text(level: &RedisLevel, key: &LevelKey) -> Option<String> {
    level.read(op(), key, 1).await.unwrap().map(|value| String::from_utf8(value.bytes.to_vec()).unwrap())
}
