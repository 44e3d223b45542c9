//! The client against real servers, with real faults.

mod cluster;
mod load;
mod proxies;
mod pushing;
mod refusals;
mod sentinel;
mod settings;
mod sizes;
mod standalone;
mod together;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use unstick_core::{Error, Events, OpCtx, OpId, Runtime, Timestamp};
use unstick_testkit::observe::EventLog;

use super::{Reply, Script};
use crate::RedisClient;

/// Sets a value, unless it is late.
pub(super) const SET: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end
redis.call('SET', KEYS[1], ARGV[2])
return {now, 'DONE', ARGV[1] - now}";

pub(super) fn op(time: Duration) -> OpCtx {
    op_by(&Runtime::tokio(), time)
}

pub(super) fn op_by(runtime: &Runtime, time: Duration) -> OpCtx {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let now = runtime.wall();
    OpCtx { now, deadline: now + time, op_id: OpId::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into()) }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Sets `value` under `key` and tells the milliseconds that the server saw left.
pub(super) async fn set(client: &RedisClient, key: &str, value: &str) -> Result<i64, Error> {
    set_by(client, op(seconds(2)), key, value).await
}

pub(super) async fn set_by(client: &RedisClient, op: OpCtx, key: &str, value: &str) -> Result<i64, Error> {
    let args = vec![Bytes::copy_from_slice(value.as_bytes())];
    let reply = client.client.run(&op, &Script::new(SET), key.to_owned().into(), args).await?;
    assert_eq!(reply[0], Reply::Bytes("DONE".into()));
    Ok(reply[1].number().unwrap())
}

pub(super) async fn value(client: &RedisClient, key: &str) -> Result<Option<Bytes>, Error> {
    client.client.get(&op(seconds(2)), key.to_owned().into()).await
}

pub(super) fn log() -> (Arc<EventLog>, Events) {
    let log = Arc::new(EventLog::default());
    (log.clone(), Events::new("test").observer(log))
}

/// Asks until the answer is yes; a test has failed that gets none in half a minute.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let start = std::time::Instant::now();
    while !ask().await {
        assert!(start.elapsed() < seconds(30), "waited for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a write comes through.
pub(super) async fn works(client: &RedisClient) -> bool {
    set(client, "works", &Timestamp::system_now().as_millis().to_string()).await.is_ok()
}
