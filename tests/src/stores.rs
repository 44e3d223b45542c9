//! Stores on real servers, which all tests of one binary share, and an empty place in them for each test.

use std::sync::atomic::{AtomicU64, Ordering};

use unstick::store::AnyStore;
use unstick_core::{Events, Runtime};
use unstick_testkit::servers::{MariaDbServer, Outcome, PostgresServer, RedisCluster, RedisSentinel, RedisServer, Shared, StartError};

/// Which servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
    /// One Redis.
    Redis,
    /// Three masters and three replicas.
    RedisCluster,
    /// Redis, found through Sentinel.
    RedisSentinel,
}

static POSTGRES: Shared<PostgresServer> = Shared::new(|| PostgresServer::builder().setting("max_connections", "400").start());
static MARIADB: Shared<MariaDbServer> = Shared::new(|| MariaDbServer::builder().arg("--max-connections=400").start());
static REDIS: Shared<RedisServer> = Shared::new(RedisServer::start);
static CLUSTER: Shared<RedisCluster> = Shared::new(RedisCluster::start);
static SENTINEL: Shared<RedisSentinel> = Shared::new(RedisSentinel::start);

/// Whether a server runs; a missing program is the only thing that may be the matter.
#[derive(Debug)]
pub struct Ready(Result<(), &'static StartError>);

impl Outcome for Ready {
    type Server = ();

    fn outcome(self) -> Result<(), String> {
        match self.0 {
            Ok(()) => Ok(()),
            Err(error) if error.is_missing() => Err(error.to_string()),
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(error)),
        }
    }
}

fn ready<S>(shared: &'static Shared<S>) -> Ready {
    Ready(shared.get().as_ref().map(drop))
}

fn running<S>(shared: &'static Shared<S>) -> &'static S {
    shared.get().as_ref().unwrap_or_else(|error| panic!("{error}"))
}

impl Server {
    /// Starts the server if this is the first test to ask for it.
    #[must_use]
    pub fn ready(self) -> Ready {
        match self {
            Self::Postgres => ready(&POSTGRES),
            Self::MariaDb => ready(&MARIADB),
            Self::Redis => ready(&REDIS),
            Self::RedisCluster => ready(&CLUSTER),
            Self::RedisSentinel => ready(&SENTINEL),
        }
    }

    /// The address of an empty place: a database of its own, or a prefix of its own.
    ///
    /// # Panics
    /// When the server is not [`ready`](Self::ready).
    #[must_use]
    pub fn place(self) -> String {
        let prefixed = |url: String| {
            static NEXT: AtomicU64 = AtomicU64::new(1);
            format!("{url}?prefix=place-{}:", NEXT.fetch_add(1, Ordering::Relaxed))
        };
        match self {
            Self::Postgres => running(&POSTGRES).fresh_database(),
            Self::MariaDb => running(&MARIADB).fresh_database(),
            Self::Redis => prefixed(running(&REDIS).url()),
            Self::RedisCluster => prefixed(running(&CLUSTER).url()),
            Self::RedisSentinel => prefixed(running(&SENTINEL).url()),
        }
    }
}

/// Opens a store for a node.
///
/// # Panics
/// When it does not open: the test is wrong, or the server is.
pub async fn open(url: &str, events: Events) -> AnyStore {
    open_with(url, events, Runtime::tokio()).await
}

/// Opens a store for a node whose time the test moves.
///
/// # Panics
/// As [`open`].
pub async fn open_with(url: &str, events: Events, runtime: Runtime) -> AnyStore {
    unstick::store::options(url).events(events).runtime(runtime).open().await.and_then(|source| Ok(source.into_store()?)).expect("a store")
}
