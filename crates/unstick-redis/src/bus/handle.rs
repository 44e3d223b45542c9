//! The public handle.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use tokio::sync::{mpsc, oneshot, watch};
use unstick_core::{
    Bus, ConfigError, Error, ErrorKind, OpCtx, Published, PublisherId, Runtime,
    bus::{Beats, Inbox, Pace},
};

use super::{
    hearer::Hearer,
    speaker::{self, Aside, Job, Speaker},
};
use crate::{
    RedisClient,
    client::{Client, unless_dropped},
    prefix::{self, Prefix},
};

/// Notices that wait to be sent.
const WAITING: usize = 1024;
/// The longest payload, in bytes: 1 MiB.
const LONGEST: usize = 1 << 20;

/// An invalidation bus on a Redis server, a Sentinel group or a Cluster, through published messages. Clones are the same publisher.
///
/// All nodes whose clients have the same prefix and address hear each other, on the channel `{prefix}{bus}`, and each node itself on
/// `{prefix}{bus}:{publisher}`; a user of its own needs `&prefix{bus}*` beside what [`RedisClient`] lists. Nothing is stored:
/// `FLUSHALL` does not disturb the bus.
///
/// # What a notice may meet
/// Every notice takes its number when it is sent, on one connection, in order. A number is not used again: whether the notice was
/// refused, lost on its way, or sent on a connection that broke, the number that follows, or a beat within a second, tells the others
/// that one is missing, and they take that for a [`Gap`](unstick_core::BusEvent::Gap). Sending a notice again under its number
/// would spare them that gap, but only if it was known that nothing behind it has arrived.
///
/// Redis keeps no messages: what is published while a subscriber is away is lost for it. It is told by
/// [`Cut`](unstick_core::BusEvent::Cut), and by a gap when it is back. A connection that is silent is noticed within three seconds, because no
/// message of the node to itself comes back.
///
/// In a Cluster all messages of a bus enter at the node that owns the slot of `{bus}`, and reach the subscribers of other nodes over that
/// node's links; a node's message to itself takes the same way. A link between two servers that loses messages is noticed by
/// numbers, at the publisher's next notice or beat: within a second after a notice, at most ten later.
///
/// A server confirms what it takes, and cannot know who listens elsewhere. What a publisher says to a master that others have left, on
/// the wrong side of a partition, is lost for them, and shows as a gap when the publisher speaks where they are, whenever that is.
///
/// # Cost
/// One command per notice; per node one small message to itself per second and subscription, and a beat to all at intervals that grow from one to ten
/// seconds while it has nothing to say. The connection for subscriptions is that of [`RedisClient::subscribe`].
///
/// # Example
/// ```no_run
/// use unstick_core::{Bus, BusEvent, OpCtx, Subscription};
/// use unstick_redis::RedisBus;
/// # async fn example(op: OpCtx) -> Result<(), Box<dyn std::error::Error>> {
/// let here = RedisBus::connect("redis://127.0.0.1:6379?prefix=shop:").await?;
/// let there = RedisBus::connect("redis://127.0.0.1:6379?prefix=shop:").await?;
/// let mut heard = there.subscribe().await?;
/// here.publish(op, "cart:7".into()).await?;
/// assert!(matches!(heard.next().await, Some(BusEvent::Notice(notice)) if notice.payload == "cart:7"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisBus(Arc<Inner>);

struct Inner {
    client: Client,
    runtime: Runtime,
    prefix: Prefix,
    me: PublisherId,
    pace: Pace,
    queue: usize,
    jobs: mpsc::Sender<Job>,
    asides: mpsc::Sender<Aside>,
    /// Until the first use: the bus may be made outside the runtime.
    speaker: Mutex<Option<Speaker>>,
    /// Every task ends with it.
    alive: watch::Sender<()>,
}

impl RedisBus {
    /// Connects with default settings: an address as [`RedisClient`] takes it, such as `redis://127.0.0.1:6379?prefix=shop:`.
    ///
    /// # Errors
    /// One sentence that names the setting, or the hosts and what is the matter with them.
    pub async fn connect(address: &str) -> Result<Self, ConfigError> {
        Self::new(&RedisClient::connect(address).await?)
    }

    /// On connections that others may share, with a beat per second and 4096 events that may wait in a subscription. Channels start
    /// with the client's prefix, `unstick:` by default.
    ///
    /// # Errors
    /// When the prefix is not 1 to 64 of A-Z, a-z, 0-9 and `:_-./`, or the operating system gives no randomness.
    pub fn new(client: &RedisClient) -> Result<Self, ConfigError> {
        Self::with(client, Pace::default(), 4096)
    }

    /// As [`Self::new`], with a pace of its own, which must be that of all nodes, and room for `queue` events in a subscription, at
    /// least 8: a receiver that falls behind by more loses them for one gap.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(client: &RedisClient, pace: Pace, queue: usize) -> Result<Self, ConfigError> {
        let prefix = Prefix::new(client.prefix.as_deref().unwrap_or(prefix::DEFAULT))?;
        let me = PublisherId::random().map_err(|error| ConfigError::new(error.to_string()))?;
        let (client, runtime) = (client.client.clone(), client.client.runtime());
        let ((jobs, incoming), (asides, incoming_asides)) = (mpsc::channel(WAITING), mpsc::channel(WAITING));
        let beats = Beats::new(me, 1, pace, runtime.monotonic());
        let speaker = Speaker::new(client.clone(), prefix.channel(), beats, pace, incoming, incoming_asides);
        let (speaker, alive) = (Mutex::new(Some(speaker)), watch::Sender::new(()));
        Ok(Self(Arc::new(Inner { client, runtime, prefix, me, pace, queue, jobs, asides, speaker, alive })))
    }

    /// Who this is.
    #[must_use]
    pub fn publisher(&self) -> PublisherId {
        self.0.me
    }

    fn speak(&self) {
        let speaker = self.0.speaker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(speaker) = speaker {
            self.0.runtime.spawn(Box::pin(unless_dropped(self.0.alive.subscribe(), speaker.run())));
        }
    }
}

impl Bus for RedisBus {
    type Subscription = Inbox;

    async fn publish(&self, op: OpCtx, payload: Bytes) -> Result<Published, Error> {
        if payload.len() > LONGEST {
            return Err(Error::new(ErrorKind::TooLarge, format!("a notice of {} bytes; the longest is {LONGEST}", payload.len())));
        }
        self.speak();
        let (answer, answered) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        let job = Job { op, payload, taken: taken.clone(), answer };
        let sent = async {
            match self.0.jobs.send(job).await {
                Ok(()) => answered.await.unwrap_or(Ok(Published::Unknown)), // the bus has gone away
                Err(_) => Err(Error::new(ErrorKind::Unavailable, "the bus was closed")),
            }
        };
        let budget = op.deadline.since(self.0.runtime.wall()).min(op.budget());
        match select(pin!(sent), pin!(self.0.runtime.sleep(budget))).await {
            Either::Left((answer, _)) => answer,
            // what waits behind notices with more time is not sent any more
            Either::Right(_) if speaker::take(&taken) => Err(speaker::too_much()),
            Either::Right(_) => Ok(Published::Unknown),
        }
    }

    async fn subscribe(&self) -> Result<Inbox, Error> {
        self.speak();
        let inner = &self.0;
        let channels = [inner.prefix.channel(), inner.prefix.own_channel(inner.me)];
        let (hearer, inbox) =
            Hearer::begin(inner.client.clone(), channels, inner.me, inner.pace, inner.queue, inner.asides.downgrade()).await?;
        inner.runtime.spawn(Box::pin(unless_dropped(inner.alive.subscribe(), hearer.run())));
        Ok(inbox)
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { client, prefix, me, .. } = &*self.0;
        f.debug_struct("RedisBus").field("client", client).field("prefix", prefix).field("publisher", me).finish_non_exhaustive()
    }
}
