//! Choosing by URL what carries a cache's notices between nodes.
//!
//! | URL | feature | notices |
//! |---|---|---|
//! | `memory:` | `cache` | within this process: for one node, where a bus has nobody to reach |
//! | `redis://:password@host:port`, `redis-sentinel://host,host/service`, `redis-cluster://host,host` | `redis` | published in Redis |
//! | `rediss://`, `rediss-sentinel://`, `rediss-cluster://` | `redis-tls` | the same with TLS |
//! | `postgres://user:password@host/database` | `postgres`, with TLS `postgres-tls` | by `NOTIFY` in PostgreSQL, also from inside the application's own transactions |
//!
//! Options follow a `?`; `unstick::redis` and `unstick::sql::postgres` document theirs. Nodes hear each other when server, database
//! and `prefix` are the same.
//!
//! ```
//! use unstick::{bus, cache::Namespace, level};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (bus_url, level_url) = ("memory:", "memory:");
//! // The same lines in every environment.
//! let shop = Namespace::builder("shop").bus(bus::from_url(bus_url).await?).level(level::from_url(level_url).await?).build().await?;
//! let carts = shop.cache::<u64, String>("carts").shared().build()?;
//! # assert!(carts.is_empty());
//!
//! let error = bus::from_url("kafka://127.0.0.1").await.unwrap_err();
//! assert!(error.to_string().contains("write `memory:`, `redis://…` or `postgres://…`"));
//! # Ok(()) }
//! ```

use bytes::Bytes;
use unstick_core::{Bus, BusEvent, ConfigError, Error, Events, OpCtx, Published, Runtime, Subscription};
use unstick_memory::{MemoryBus, MemoryHub};

use crate::url::BUS;

/// Opens the bus that a URL names. See the [module docs](self) for the URLs.
///
/// # Errors
/// One sentence with what to write instead, or why the bus cannot be opened.
pub async fn from_url(url: &str) -> Result<AnyBus, ConfigError> {
    open(url, &Runtime::tokio(), &Events::default()).await
}

/// As [`from_url`], with the runtime and the events of the namespace that it is for.
///
/// # Errors
/// As [`from_url`].
#[allow(clippy::unused_async, reason = "as with all features")]
pub async fn open(url: &str, runtime: &Runtime, events: &Events) -> Result<AnyBus, ConfigError> {
    let _ = events; // used by what is compiled in
    match BUS.split(url)? {
        ("memory", "" | "//") => Ok(AnyBus::Memory(MemoryHub::new().bus(runtime))),
        ("memory", _) => Err(ConfigError::new("`memory:` as a bus has neither a path nor options: write `memory:`")),
        #[cfg(feature = "redis")]
        ("redis" | "redis-sentinel" | "redis-cluster", _) => redis(url, runtime, events).await,
        #[cfg(feature = "redis-tls")]
        ("rediss" | "rediss-sentinel" | "rediss-cluster", _) => redis(url, runtime, events).await,
        #[cfg(feature = "postgres")]
        ("postgres" | "postgresql", _) => {
            let builder = unstick_sql::postgres::PostgresBus::builder(url).runtime(runtime.clone());
            Ok(AnyBus::Postgres(builder.connect().await?))
        }
        (other, _) => Err(BUS.refused(other)),
    }
}

#[cfg(feature = "redis")]
async fn redis(url: &str, runtime: &Runtime, events: &Events) -> Result<AnyBus, ConfigError> {
    let builder = unstick_redis::RedisClient::builder(url).events(events.clone()).runtime(runtime.clone());
    Ok(AnyBus::Redis(unstick_redis::RedisBus::new(&builder.connect().await?)?))
}

/// A bus whose kind was chosen at run time.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyBus {
    /// Within this process.
    Memory(MemoryBus),
    /// In Redis: one server, behind sentinels, or a cluster.
    #[cfg(feature = "redis")]
    Redis(unstick_redis::RedisBus),
    /// In PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(unstick_sql::postgres::PostgresBus),
}

/// The receiving end of an [`AnyBus`].
#[derive(Debug)]
#[non_exhaustive]
pub enum AnySubscription {
    /// Within this process.
    Memory(<MemoryBus as Bus>::Subscription),
    /// In Redis.
    #[cfg(feature = "redis")]
    Redis(<unstick_redis::RedisBus as Bus>::Subscription),
    /// In PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(<unstick_sql::postgres::PostgresBus as Bus>::Subscription),
}

impl Bus for AnyBus {
    type Subscription = AnySubscription;

    async fn publish(&self, op: OpCtx, payload: Bytes) -> Result<Published, Error> {
        match self {
            Self::Memory(bus) => bus.publish(op, payload).await,
            #[cfg(feature = "redis")]
            Self::Redis(bus) => bus.publish(op, payload).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(bus) => bus.publish(op, payload).await,
        }
    }

    async fn subscribe(&self) -> Result<AnySubscription, Error> {
        Ok(match self {
            Self::Memory(bus) => AnySubscription::Memory(bus.subscribe().await?),
            #[cfg(feature = "redis")]
            Self::Redis(bus) => AnySubscription::Redis(bus.subscribe().await?),
            #[cfg(feature = "postgres")]
            Self::Postgres(bus) => AnySubscription::Postgres(bus.subscribe().await?),
        })
    }

    fn is_transactional(&self) -> bool {
        match self {
            Self::Memory(bus) => bus.is_transactional(),
            #[cfg(feature = "redis")]
            Self::Redis(bus) => bus.is_transactional(),
            #[cfg(feature = "postgres")]
            Self::Postgres(bus) => bus.is_transactional(),
        }
    }
}

impl Subscription for AnySubscription {
    async fn next(&mut self) -> Option<BusEvent> {
        match self {
            Self::Memory(subscription) => subscription.next().await,
            #[cfg(feature = "redis")]
            Self::Redis(subscription) => subscription.next().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(subscription) => subscription.next().await,
        }
    }
}
