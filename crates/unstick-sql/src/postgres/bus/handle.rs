//! The bus itself.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, atomic::AtomicBool},
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot, watch};
use unstick_core::{
    Bus, BusEvent, ConfigError, Error, ErrorKind, OpCtx, Published, PublisherId, Runtime, Subscription,
    bus::{Beats, Inbox, Listener, Pace},
};

use super::{
    PostgresBusBuilder, channel,
    hearer::Hearer,
    link::Link,
    speaker::{self, Request, Say, Speaker, WAITING},
    wire,
};

/// Notices through the notifications of a PostgreSQL database. See the [module docs](super). Clones share one bus.
///
/// It ends, with its subscriptions, when the last clone is dropped; what was given to it to be sent is sent first.
#[derive(Clone)]
pub struct PostgresBus {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    channel: Arc<str>,
    me: PublisherId,
    pace: Pace,
    queue: usize,
    say: mpsc::Sender<Say>,
    /// Closed when the bus is dropped.
    open: watch::Sender<()>,
}

impl fmt::Debug for PostgresBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBus").field("place", &self.inner.link.place).field("channel", &self.inner.channel).finish_non_exhaustive()
    }
}

impl PostgresBus {
    /// Connects to the server of an address, with the default settings. See the [module docs](super) for what the address may hold.
    ///
    /// # Errors
    /// One sentence that names the setting, or the server and what is the matter with it. Never the password.
    pub async fn connect(address: &str) -> Result<Self, ConfigError> {
        Self::builder(address).connect().await
    }

    /// As [`connect`](Self::connect), with settings.
    pub fn builder(address: &str) -> PostgresBusBuilder {
        PostgresBusBuilder::new(address)
    }

    /// On the server of a pool of yours, with the default settings. See [`PostgresBusBuilder::connect_pool`].
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_pool(pool: PgPool) -> Result<Self, ConfigError> {
        Self::builder("").connect_pool(pool).await
    }

    /// The channel that all nodes listen to: for triggers and other services, which notify it in [plain text](unstick_core::bus::write_plain).
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.inner.channel
    }

    pub(super) async fn start(link: Link, prefix: &str, pace: Pace, queue: usize) -> Result<Self, ConfigError> {
        let me = PublisherId::random().map_err(|_| ConfigError::new("the operating system gave no randomness"))?;
        let channel = channel::shared(prefix);
        let mut connection = link.speak().await?;
        let (say, said) = mpsc::channel(WAITING);
        let now = link.runtime.monotonic();
        let mut beats = Beats::new(me, 1, pace, now);
        if let Some(first) = beats.due(now) {
            link.try_out(&mut connection, &channel, &first).await?;
        }
        let speaker = Speaker { link: link.clone(), channel: channel.clone(), beats, said };
        link.runtime.spawn(Box::pin(speaker.run(connection)));
        Ok(Self { inner: Arc::new(Inner { link, channel, me, pace, queue, say, open: watch::Sender::new(()) }) })
    }

    fn runtime(&self) -> &Runtime {
        &self.inner.link.runtime
    }
}

impl Bus for PostgresBus {
    type Subscription = PostgresSubscription;

    /// See [`Bus::publish`]. [`Published::Confirmed`] is the server's answer; without one, the notice is sent again when the server
    /// can be reached again, also after [`Published::Unknown`].
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above [`LONGEST_PAYLOAD`](super::LONGEST_PAYLOAD) bytes, and [`ErrorKind::Unavailable`] when it was not
    /// sent: the server cannot be reached, or did not get through with what was to be sent before.
    ///
    /// # Cancel safety
    /// A dropped future leaves the outcome unknown; the numbering stays consecutive for what was sent.
    async fn publish(&self, op: OpCtx, payload: Bytes) -> Result<Published, Error> {
        wire::check(&payload)?;
        let left = op.deadline.since(self.runtime().wall()).min(op.budget());
        let taken = Arc::new(AtomicBool::new(false));
        let (answer, answered) = oneshot::channel();
        let request = Request { payload, taken: taken.clone(), answer };
        let said = async {
            self.inner.say.send(Say::Notice(request)).await.ok()?;
            answered.await.ok()
        };
        match select(pin!(said), pin!(self.runtime().sleep(left))).await {
            Either::Left((Some(answer), _)) => answer,
            _ if speaker::take(&taken) => Err(Error::new(ErrorKind::Unavailable, "the notice could not be sent before its deadline")),
            _ => Ok(Published::Unknown),
        }
    }

    async fn subscribe(&self) -> Result<PostgresSubscription, Error> {
        let Inner { link, channel: shared, me, pace, queue, say, open } = &*self.inner;
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no randomness"))?;
        let salt = u64::from_be_bytes(salt);
        let own = channel::own(shared, salt);
        let listener = link
            .listen([shared, &own])
            .await
            .map_err(|error| Error::with_source(ErrorKind::Unavailable, "the database of the bus cannot be listened to", error))?;
        let (feed, inbox) = Inbox::new(Listener::new(*me, salt, *pace, *queue, link.runtime.monotonic()));
        let hearer =
            Hearer { link: link.clone(), shared: shared.clone(), own, pace: *pace, feed, say: say.downgrade(), bus: open.subscribe() };
        link.runtime.spawn(Box::pin(hearer.run(listener)));
        Ok(PostgresSubscription(inbox))
    }

    /// Yes: see [`notify_in`](Self::notify_in).
    fn is_transactional(&self) -> bool {
        true
    }
}

/// The receiving end of a [`PostgresBus`], with a connection of its own that is closed when it is dropped.
#[derive(Debug)]
pub struct PostgresSubscription(Inbox);

impl Subscription for PostgresSubscription {
    async fn next(&mut self) -> Option<BusEvent> {
        self.0.next().await
    }
}
