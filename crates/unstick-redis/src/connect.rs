//! Settings of connections, from an address and from methods.

use std::{fmt, path::PathBuf, pin::pin, time::Duration};

use fred::{
    error::ErrorKind as FredKind,
    types::{
        RespVersion,
        config::{
            ClusterDiscoveryPolicy, Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig, TcpConfig,
            UnresponsiveConfig,
        },
    },
};
use futures_util::future::{Either, select};
use unstick_core::{ConfigError, Events, Runtime};

use crate::{
    RedisClient,
    address::{Address, Arrangement, Secret},
    client::{self, Recipe, Settings, Wire},
};

const DEADLINE: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const WAIT_TIMEOUT: Duration = Duration::from_millis(500);
const KNOWN: &str =
    "prefix, deadline_ms, connect_timeout_ms, wait_replicas, wait_timeout_ms, ca, sentinel_user, sentinel_password and start";

/// Settings of a [`RedisClient`]; made by [`RedisClient::builder`].
#[derive(Clone)]
#[must_use]
pub struct RedisClientBuilder {
    address: Secret,
    user: Option<String>,
    password: Option<Secret>,
    prefix: Option<String>,
    deadline: Option<Duration>,
    connect_timeout: Option<Duration>,
    wait_replicas: Option<u32>,
    wait_timeout: Option<Duration>,
    ca: Option<PathBuf>,
    sentinel_user: Option<String>,
    sentinel_password: Option<Secret>,
    lazy: Option<bool>,
    events: Events,
    runtime: Runtime,
}

impl fmt::Debug for RedisClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisClientBuilder")
            .field("prefix", &self.prefix)
            .field("deadline", &self.deadline)
            .field("connect_timeout", &self.connect_timeout)
            .field("wait_replicas", &self.wait_replicas)
            .field("wait_timeout", &self.wait_timeout)
            .field("lazy", &self.lazy)
            .finish_non_exhaustive()
    }
}

impl RedisClientBuilder {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: Secret(address.into()),
            user: None,
            password: None,
            prefix: None,
            deadline: None,
            connect_timeout: None,
            wait_replicas: None,
            wait_timeout: None,
            ca: None,
            sentinel_user: None,
            sentinel_password: None,
            lazy: None,
            events: Events::default(),
            runtime: Runtime::default(),
        }
    }

    /// Login, instead of the one in the address. Behind sentinels it is the servers' login.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.user = Some(user.into());
        self.password = Some(Secret(password.into()));
        self
    }

    /// Login at the sentinels themselves. By default they get none.
    pub fn sentinel_login(mut self, user: &str, password: &str) -> Self {
        self.sentinel_user = Some(user.into());
        self.sentinel_password = Some(Secret(password.into()));
        self
    }

    /// Start of all keys, for the store and the cache level that are made from this client. Set it when several applications share a
    /// server.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// The most that any call may take, also when its operation has more time. Default 2 seconds, which is the session layer's own
    /// deadline; less makes failures show sooner.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How long [`connect`](Self::connect) tries, and how long one connection may take to be made and to log in. Default 2 seconds; more
    /// when the server is far away: a login with TLS takes about eight trips.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Each write of a store, and each invalidation of a cache level, counts only when so many replicas have it, within `timeout` (500 ms
    /// is a good start). With fewer, the call fails as [`Interrupted`](unstick_core::ErrorKind::Interrupted) although the write is in. Off by default.
    ///
    /// It narrows what a failover can lose and does not close it: a replica that was not waited for may be the one that takes over. It
    /// costs a trip to the replicas per write, and because `WAIT` holds up whatever comes behind it, writes then take turns on four
    /// connections of their own: no more than four writes per such trip and node.
    pub fn wait_replicas(mut self, replicas: u32, timeout: Duration) -> Self {
        self.wait_replicas = Some(replicas);
        self.wait_timeout = Some(timeout);
        self
    }

    /// A PEM file with the certificates to trust, instead of Mozilla's roots as they are compiled in. The host's own certificates are never looked at.
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// Starts although no server is there: [`connect`](Self::connect) returns at once, calls are
    /// [`Unavailable`](unstick_core::ErrorKind::Unavailable) until the first connection is made. By default it waits for that.
    pub fn lazy(mut self) -> Self {
        self.lazy = Some(true);
        self
    }

    /// Where losses, recoveries and dangerous server settings are reported. Default: to `tracing` only. A session layer reports failing
    /// calls itself; these are about connections, and name the server.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Timers, tasks and the wall clock that deadlines of operations refer to. Default [`Runtime::tokio`]; give it the session layer's when that one
    /// has a clock of its own. fred itself needs a tokio runtime in any case.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Connects, and tries for the connect timeout.
    ///
    /// # Errors
    /// One sentence that names the setting, or the hosts and what is the matter. It never repeats a password.
    ///
    /// # Cancel safety
    /// A dropped future leaves nothing behind.
    pub async fn connect(mut self) -> Result<RedisClient, ConfigError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(ConfigError::new("Redis needs a tokio runtime: call `connect` within one"));
        }
        let address = self.take_address()?;
        let recipe = self.recipe(&address)?;
        let settings = self.settings()?;
        let prefix = self.prefix.as_deref().map(Into::into);
        let waits = settings.wait.is_some();
        let wire =
            if self.lazy == Some(true) { Wire::open_lazily(&recipe, waits) } else { self.open(&address, &recipe, &settings).await? };
        let client = client::start(Some(recipe), settings, wire);
        if self.lazy != Some(true) {
            client.settle_current().await;
        }
        Ok(RedisClient { client, prefix })
    }

    /// As [`RedisClient::from_fred`], with these settings. The address, logins, [`ca`](Self::ca) and [`lazy`](Self::lazy) are not looked at.
    ///
    /// # Errors
    /// When a setting is out of its range, or [`wait_replicas`](Self::wait_replicas) is set: that needs connections of its own.
    pub fn wrap(self, fred: fred::clients::Client) -> Result<RedisClient, ConfigError> {
        if self.wait_replicas.is_some() {
            return Err(ConfigError::new(
                "`wait_replicas` needs connections of its own; leave it out or let this crate connect, by an address",
            ));
        }
        self.settings()?;
        Ok(self.around(fred))
    }

    pub(crate) fn around(self, fred: fred::clients::Client) -> RedisClient {
        let settings = Settings {
            deadline: self.deadline.unwrap_or(DEADLINE),
            connect_timeout: self.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            wait: None,
            runtime: self.runtime,
            events: self.events,
        };
        RedisClient { client: client::start(None, settings, Wire::around(fred)), prefix: self.prefix.as_deref().map(Into::into) }
    }

    async fn open(&self, address: &Address, recipe: &Recipe, settings: &Settings) -> Result<Wire, ConfigError> {
        let runtime = &settings.runtime;
        let mut limit = pin!(runtime.sleep(settings.connect_timeout));
        let mut last = "it does not answer";
        let places = address.places();
        loop {
            let attempt = pin!(Wire::open(recipe, settings.wait.is_some(), runtime));
            match select(attempt, limit.as_mut()).await {
                Either::Left((Ok(wire), _)) => return Ok(wire),
                Either::Left((Err(error), _)) => match error.kind() {
                    FredKind::Auth => {
                        return Err(ConfigError::new(format!(
                            "Redis at {places} refuses the login; check user and password, and whether the server expects them at all"
                        )));
                    }
                    FredKind::Timeout => {}
                    FredKind::IO => last = "the connection is refused or breaks",
                    FredKind::Sentinel => last = "no sentinel answers, or none knows a master of this service",
                    FredKind::Cluster => last = "it is no cluster, or the cluster is not complete",
                    _ => last = "it answers with an error",
                },
                Either::Right(_) => {
                    return Err(ConfigError::new(format!(
                        "no connection to Redis at {places} within {:?}: {last}; check that it runs, host, port, and whether it expects TLS, or set `lazy` (`start=lazy`) to start without it",
                        settings.connect_timeout
                    )));
                }
            }
            runtime.sleep(Duration::from_millis(50)).await;
        }
    }

    /// Methods win over the address.
    fn take_address(&mut self) -> Result<Address, ConfigError> {
        let mut address = Address::parse(&self.address.0)?;
        for (name, Secret(value)) in std::mem::take(&mut address.options) {
            let number = || {
                let number = value.parse::<u32>();
                number.map_err(|_| ConfigError::new(format!("`{name}` in the address of Redis must be a whole number")))
            };
            match &*name {
                "prefix" => _ = self.prefix.get_or_insert(value),
                "deadline_ms" => _ = self.deadline.get_or_insert(Duration::from_millis(number()?.into())),
                "connect_timeout_ms" => _ = self.connect_timeout.get_or_insert(Duration::from_millis(number()?.into())),
                "wait_replicas" => _ = self.wait_replicas.get_or_insert(number()?),
                "wait_timeout_ms" => _ = self.wait_timeout.get_or_insert(Duration::from_millis(number()?.into())),
                "ca" => _ = self.ca.get_or_insert(value.into()),
                "sentinel_user" => _ = self.sentinel_user.get_or_insert(value),
                "sentinel_password" => _ = self.sentinel_password.get_or_insert(Secret(value)),
                "start" => {
                    let lazy = match &*value {
                        "wait" => false,
                        "lazy" => true,
                        _ => return Err(ConfigError::new("`start` in the address of Redis must be `wait` or `lazy`")),
                    };
                    self.lazy.get_or_insert(lazy);
                }
                _ => {
                    return Err(ConfigError::new(format!("the address of Redis has an option {name:?}; known are {KNOWN}")));
                }
            }
        }
        let has_sentinels = matches!(address.arrangement, Arrangement::Sentinel { .. });
        if !has_sentinels && (self.sentinel_user.is_some() || self.sentinel_password.is_some()) {
            return Err(ConfigError::new(
                "`sentinel_user` and `sentinel_password` are for `redis-sentinel` addresses; leave them out, or write `redis-sentinel://`",
            ));
        }
        if self.sentinel_user.is_some() && self.sentinel_password.is_none() {
            return Err(ConfigError::new("`sentinel_user` needs `sentinel_password`"));
        }
        Ok(address)
    }

    fn settings(&self) -> Result<Settings, ConfigError> {
        let deadline = self.deadline.unwrap_or(DEADLINE);
        let connect_timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        if deadline.is_zero() || connect_timeout.is_zero() {
            return Err(ConfigError::new("`deadline` and `connect_timeout` must be over 0; leave them out for 2 seconds each"));
        }
        let wait_timeout = self.wait_timeout.unwrap_or(WAIT_TIMEOUT);
        let wait = match self.wait_replicas {
            None if self.wait_timeout.is_some() => {
                return Err(ConfigError::new("`wait_timeout_ms` needs `wait_replicas`: how many replicas are to be waited for"));
            }
            None | Some(0) => None,
            Some(_) if wait_timeout.is_zero() || wait_timeout >= deadline => {
                return Err(ConfigError::new(
                    "the timeout of `wait_replicas` must be over 0 and below `deadline`, so that its failure can be told",
                ));
            }
            Some(replicas) => Some((replicas, wait_timeout)),
        };
        Ok(Settings { deadline, connect_timeout, wait, runtime: self.runtime.clone(), events: self.events.clone() })
    }

    fn recipe(&self, address: &Address) -> Result<Recipe, ConfigError> {
        let hosts = || address.hosts.iter().map(|(host, port)| Server::new(host.clone(), *port)).collect::<Vec<_>>();
        let server = match &address.arrangement {
            Arrangement::Single => {
                let (host, port) = address.hosts.first().cloned().unwrap_or_default();
                ServerConfig::Centralized { server: Server::new(host, port) }
            }
            Arrangement::Cluster => ServerConfig::Clustered { hosts: hosts(), policy: ClusterDiscoveryPolicy::UseCache },
            Arrangement::Sentinel { service } => ServerConfig::Sentinel {
                hosts: hosts(),
                service_name: service.clone(),
                username: self.sentinel_user.clone(),
                password: self.sentinel_password.clone().map(|Secret(password)| password),
            },
        };
        let timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let config = Config {
            username: self.user.clone().or_else(|| address.user.clone()).filter(|user| !user.is_empty()),
            password: self.password.clone().or_else(|| address.password.clone()).map(|Secret(password)| password),
            server,
            version: RespVersion::RESP3,
            database: address.database,
            #[cfg(feature = "tls")]
            tls: if address.tls { Some(client::tls_config(self.ca.as_deref())?) } else { None },
            ..Config::default()
        };
        #[cfg(not(feature = "tls"))]
        if address.tls {
            return Err(ConfigError::new("TLS (`rediss`) is not compiled in; enable the feature `tls` of unstick-redis, or write `redis`"));
        }
        if self.ca.is_some() && !address.tls {
            return Err(ConfigError::new("`ca` is for TLS; write `rediss` instead of `redis`, or leave `ca` out"));
        }
        let connection = ConnectionConfig {
            connection_timeout: timeout,
            internal_command_timeout: timeout,
            // every command says for itself how often it may be sent; this is for those of the library
            max_command_attempts: 1,
            // the library repeats an asked command at the wrong node; with 0 it reports redirections, and they are followed here
            max_redirections: 0,
            tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
            // its check looks at the time of the last write, which busy connections renew all the time
            unresponsive: UnresponsiveConfig { max_timeout: None, interval: Duration::from_secs(60) },
            ..ConnectionConfig::default()
        };
        let mut policy = ReconnectPolicy::new_exponential(0, 50, 1000, 2);
        policy.set_jitter(50);
        Ok(Recipe { config, connection, performance: PerformanceConfig::default(), policy })
    }
}
