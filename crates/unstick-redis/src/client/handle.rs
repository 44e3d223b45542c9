//! The public handle.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use unstick_core::{ConfigError, Error, OpCtx};

use super::{Client, Subscription};
use crate::connect::RedisClientBuilder;

/// Connections to Redis, shared by everything of this crate: stores, buses, cache levels. Clones are cheap and share the connections;
/// with the last one they are closed and every task ends.
///
/// # Addresses
/// | address | what is there |
/// |---|---|
/// | `redis://[[user]:password@]host[:6379][/database]` | one server |
/// | `redis-sentinel://[[user]:password@]host[:26379],host../service[/database]` | sentinels, and the service that they watch |
/// | `redis-cluster://[[user]:password@]host[:6379],host..` | some nodes of a cluster, which name the others |
/// | `rediss://`, `rediss-sentinel://`, `rediss-cluster://` | the same with TLS (feature `tls`) |
///
/// Users, passwords and options are percent-encoded. Options: `?prefix=`, `deadline_ms=`, `connect_timeout_ms=`, `wait_replicas=`,
/// `wait_timeout_ms=`, `ca=` (a PEM file), `sentinel_user=` and `sentinel_password=` (sentinels get no login otherwise), `start=wait` or
/// `start=lazy`. The methods of [`RedisClientBuilder`] say what they mean; methods win over the address.
///
/// # Deadlines
/// No call waits longer than its operation's deadline and the configured one, whatever the server or the library do. Without a
/// connection a call fails at once as [`Unavailable`](unstick_core::ErrorKind::Unavailable): nothing was sent. A call whose connection
/// breaks is [`Interrupted`](unstick_core::ErrorKind::Interrupted), one without an answer in time is a
/// [`Timeout`](unstick_core::ErrorKind::Timeout): in both cases a write may be in. Nothing is sent twice, but for redirections within a
/// cluster, a read after a loss of connection, and a write that the server itself refused as late although there was time.
///
/// # Servers that die or hang
/// Connections that break are made again without end, after 50 ms to 1 s. A server that owes answers for half a second is suspected: fresh
/// connections are tried beside the old ones, about twice per second, and take over when they are ready before the old ones have answered.
/// A slow command therefore costs no connection. In a cluster all connections are replaced together.
///
/// With `maxmemory-policy` other than `noeviction` Redis drops sessions at will: that is an
/// [`EvictionPolicy`](unstick_core::EventKind::EvictionPolicy) event at every connect, and evictions are
/// [`BackendEvicted`](unstick_core::EventKind::BackendEvicted).
///
/// # Calls at the same time
/// Reads of sessions that come while others are under way are sent as one `MGET`, and changes as one run of their script, up to 32 by one
/// command; a call that comes alone goes alone. No call waits for others, each keeps its deadline, and each is carried out, refused or failed
/// for itself. Not in a cluster, nor where the server says that keys are in different places or does not permit `MGET`, nor for changes with
/// `wait_replicas`: there every call is a command. Handlers that block a thread of the runtime hold up the calls that were to go together.
///
/// # Permissions
/// A user of its own needs, for a store, on its keys (`~unstick:*`):
/// ```text
/// +hello +client|id +time +evalsha +eval +get +mget +set +del +getrange +setrange +pttl +pexpireat
/// +hget +hgetall +hset +hvals +hdel +zadd +zscore +zremrangebyscore
/// ```
/// and besides:
///
/// | for | rights |
/// |---|---|
/// | a cache level | `+hmget +pexpire` |
/// | messages | `+publish +subscribe +ping` and `&channel` |
/// | the events about memory | `+info` |
/// | `wait_replicas` | `+wait` |
/// | a database number | `+select` |
/// | a cluster | `+cluster\|slots +cluster\|info +asking` |
/// | behind sentinels | `+role`; at the sentinels themselves `+sentinel\|get-master-addr-by-name +sentinel\|sentinels` |
///
/// # Example
/// ```no_run
/// use unstick_redis::{Push, RedisClient};
/// # async fn example(op: unstick_core::OpCtx) -> Result<(), Box<dyn std::error::Error>> {
/// let client = RedisClient::connect("redis://127.0.0.1:6379").await?;
/// let mut news = client.subscribe("news").await?;
/// client.publish(&op, "news", "hello".into()).await?;
/// assert_eq!(news.next().await, Some(Push::Message("hello".into())));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisClient {
    pub(crate) client: Client,
    pub(crate) prefix: Option<Arc<str>>,
}

impl RedisClient {
    /// Connects with default settings. See the [type's docs](Self) for addresses.
    ///
    /// # Errors
    /// As [`RedisClientBuilder::connect`].
    pub async fn connect(address: &str) -> Result<Self, ConfigError> {
        Self::builder(address).connect().await
    }

    /// Settings to choose before connecting.
    pub fn builder(address: &str) -> RedisClientBuilder {
        RedisClientBuilder::new(address)
    }

    /// Around a client of the application's own, with default settings. This, and [`RedisClientBuilder::wrap`], make fred 10 part of
    /// this crate's interface.
    ///
    /// The application starts and stops that client. Give it RESP3, a reconnect policy without a limit, a `connection_timeout` and
    /// `internal_command_timeout` of a few seconds, and in a cluster
    /// `ClusterDiscoveryPolicy::UseCache` and `max_redirections: 0` (redirections are followed here; otherwise they fail). When a server hangs, the client
    /// is told to look at the cluster again and then to reconnect; it cannot be replaced, so a connection that takes no more bytes holds up
    /// everything. Prefer [`connect`](Self::connect).
    #[must_use]
    pub fn from_fred(client: fred::clients::Client) -> Self {
        RedisClientBuilder::new("").around(client)
    }

    /// Whether the connections are there right now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.0.wire().link.is_connected()
    }

    /// Listens to a channel, on a connection of its own that all subscriptions share. Once this returns, the server has
    /// confirmed it; afterwards losses and gaps are told by [`Push`](super::Push) events. The subscription ends with the client, not with the
    /// returned value.
    ///
    /// # Errors
    /// When the server cannot be reached within the connect timeout.
    ///
    /// # Cancel safety
    /// A dropped future may leave the connection subscribed, which nobody notices.
    pub async fn subscribe(&self, channel: &str) -> Result<Subscription, Error> {
        self.client.subscribe(&[channel]).await
    }

    /// Publishes a message; tells how many subscribers got it, in a cluster those of one node. Messages of one client arrive in order
    /// as long as no connection is replaced.
    ///
    /// # Errors
    /// When the server cannot be reached or does not answer within the operation's deadline.
    ///
    /// # Cancel safety
    /// A dropped future leaves open whether the message is sent.
    pub async fn publish(&self, op: &OpCtx, channel: &str, payload: Bytes) -> Result<u64, Error> {
        self.client.publish(op, channel, payload).await
    }
}

impl fmt::Debug for RedisClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisClient").field("client", &self.client).field("prefix", &self.prefix).finish()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wire = self.0.wire();
        let nodes: Vec<String> = wire.nodes().all.iter().map(|node| node.name()).collect();
        f.debug_struct("Client").field("nodes", &nodes).field("connected", &wire.link.is_connected()).finish_non_exhaustive()
    }
}
