//! Choosing by URL which level a cache's nodes share.
//!
//! | URL | feature | values |
//! |---|---|---|
//! | `memory:` | `cache` | in this process; `?max_entries=N` is their limit. For tests, and for one node |
//! | `redis://:password@host:port`, `redis-sentinel://host,host/service`, `redis-cluster://host,host` | `redis` | in Redis |
//! | `rediss://`, `rediss-sentinel://`, `rediss-cluster://` | `redis-tls` | the same with TLS |
//!
//! Options follow a `?`; `unstick::redis` documents its own. Nodes share values when server, database and `prefix` are the same.
//!
//! ```
//! use unstick::level;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! assert!(matches!(level::from_url("memory:?max_entries=1000").await?, level::AnyLevel::Memory(_)));
//! let error = level::from_url("memcached://127.0.0.1").await.unwrap_err();
//! assert!(error.to_string().contains("write `memory:` or `redis://…`"));
//! # Ok(()) }
//! ```

use std::{num::NonZeroUsize, time::Duration};

use unstick_core::{
    ConfigError, Error, Events, Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, OpCtx, Runtime, Target, Want,
};
use unstick_memory::MemoryLevel;

use crate::{query::Options, url::LEVEL};

/// Opens the level that a URL names. See the [module docs](self) for the URLs.
///
/// # Errors
/// One sentence with what to write instead, or why the level cannot be opened.
pub async fn from_url(url: &str) -> Result<AnyLevel, ConfigError> {
    open(url, &Runtime::tokio(), &Events::default()).await
}

/// As [`from_url`], with the runtime and the events of the namespace that it is for.
///
/// # Errors
/// As [`from_url`].
#[allow(clippy::unused_async, reason = "as with all features")]
pub async fn open(url: &str, runtime: &Runtime, events: &Events) -> Result<AnyLevel, ConfigError> {
    let _ = events; // used by what is compiled in
    match LEVEL.split(url)? {
        ("memory", rest) => memory(rest, runtime),
        #[cfg(feature = "redis")]
        ("redis" | "redis-sentinel" | "redis-cluster", _) => redis(url, runtime, events).await,
        #[cfg(feature = "redis-tls")]
        ("rediss" | "rediss-sentinel" | "rediss-cluster", _) => redis(url, runtime, events).await,
        (other, _) => Err(LEVEL.refused(other)),
    }
}

fn memory(rest: &str, runtime: &Runtime) -> Result<AnyLevel, ConfigError> {
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.is_empty() && path != "//" {
        return Err(ConfigError::new("`memory:` has no path: write `memory:`, or `redis://…` to share values between nodes"));
    }
    let mut options = Options::parse("memory", options)?;
    let limit: Option<NonZeroUsize> = options.take("max_entries", "a number above 0")?;
    options.finish()?;
    let builder = MemoryLevel::builder().runtime(runtime.clone());
    let builder = if let Some(limit) = limit { builder.max_entries(limit.get()) } else { builder };
    Ok(AnyLevel::Memory(builder.build()))
}

#[cfg(feature = "redis")]
async fn redis(url: &str, runtime: &Runtime, events: &Events) -> Result<AnyLevel, ConfigError> {
    let builder = unstick_redis::RedisClient::builder(url).events(events.clone()).runtime(runtime.clone());
    Ok(AnyLevel::Redis(unstick_redis::RedisLevel::new(&builder.connect().await?)?))
}

/// A level whose kind was chosen at run time.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyLevel {
    /// Within this process.
    Memory(MemoryLevel),
    /// In Redis: one server, behind sentinels, or a cluster.
    #[cfg(feature = "redis")]
    Redis(unstick_redis::RedisLevel),
}

/// Calls whichever level it is.
macro_rules! each {
    ($any:expr, $level:ident => $call:expr) => {
        match $any {
            AnyLevel::Memory($level) => $call,
            #[cfg(feature = "redis")]
            AnyLevel::Redis($level) => $call,
        }
    };
}

impl Level for AnyLevel {
    async fn read(&self, op: OpCtx, key: &LevelKey, schema: u32) -> Result<Option<LevelValue>, Error> {
        each!(self, level => level.read(op, key, schema).await)
    }

    async fn read_or_lease(&self, op: OpCtx, key: &LevelKey, want: &Want) -> Result<Looked, Error> {
        each!(self, level => level.read_or_lease(op, key, want).await)
    }

    async fn extend(&self, op: OpCtx, key: &LevelKey, schema: u32, token: LeaseToken, lease: Duration) -> Result<bool, Error> {
        each!(self, level => level.extend(op, key, schema, token, lease).await)
    }

    async fn fill(&self, op: OpCtx, key: &LevelKey, lease: Held, value: &LevelValue) -> Result<Filled, Error> {
        each!(self, level => level.fill(op, key, lease, value).await)
    }

    async fn release(&self, op: OpCtx, key: &LevelKey, lease: Held) -> Result<bool, Error> {
        each!(self, level => level.release(op, key, lease).await)
    }

    async fn invalidate(&self, op: OpCtx, target: &Target) -> Result<(), Error> {
        each!(self, level => level.invalidate(op, target).await)
    }
}
