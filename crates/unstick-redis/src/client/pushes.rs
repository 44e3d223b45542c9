//! Published messages, on a connection of their own: a burst of them delays no command, and a server that cuts a slow subscriber off
//! cuts nothing else.

use std::{
    collections::BTreeSet,
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use fred::{
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    types::{
        ClusterHash, CustomCommand, Message, RespVersion, Value,
        config::{Options, Server},
    },
};
use futures_util::future::{Either, select};
use tokio::sync::{
    Notify,
    broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
};
use unstick_core::{Error, ErrorKind, Runtime};

use super::{
    calls::Client,
    failure,
    keeper::unless_dropped,
    link::{Link, Recipe, open_first},
    wire::Shared,
};

/// Messages that wait for a receiver before it is told that it lags.
pub(super) const CAPACITY: usize = 4096;
/// How often the connection is asked for a sign of life, and how long it may take.
const BEAT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);
/// Between attempts to replace a connection that gave no sign of life.
const PAUSE: Duration = Duration::from_millis(500);

/// What a [`Subscription`] yields.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Push {
    /// A message.
    Message(Bytes),
    /// At least so many messages were dropped because they were not taken in time. Later ones arrive.
    Lagged(u64),
    /// The connection is lost: messages are being missed.
    Lost,
    /// The server listens to this subscription again. Messages published before may have been missed, also when no
    /// [`Lost`](Self::Lost) came before.
    Reconnected,
}

/// Shows how long a message is, and not what it says.
impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => write!(f, "Message({} bytes)", message.len()),
            Self::Lagged(count) => write!(f, "Lagged({count})"),
            Self::Lost => f.write_str("Lost"),
            Self::Reconnected => f.write_str("Reconnected"),
        }
    }
}

/// The receiving end of one channel, or of some whose messages come in one order. See [`RedisClient::subscribe`](super::RedisClient::subscribe).
pub struct Subscription {
    channels: Vec<Box<str>>,
    events: broadcast::Receiver<Item>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Subscription {
    /// The next message or event; `None` once the last clone of the client was dropped.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn next(&mut self) -> Option<Push> {
        loop {
            return match self.events.recv().await {
                Ok(Item::Message { channel, payload }) => {
                    if !self.channels.iter().any(|own| **own == *channel) {
                        continue;
                    }
                    Some(Push::Message(payload))
                }
                Ok(Item::Lagged(count)) | Err(RecvError::Lagged(count)) => Some(Push::Lagged(count)),
                Ok(Item::Lost) => Some(Push::Lost),
                Ok(Item::Reconnected) => Some(Push::Reconnected),
                Err(RecvError::Closed) => None,
            };
        }
    }
}

#[derive(Clone)]
enum Item {
    Message { channel: Arc<str>, payload: Bytes },
    Lagged(u64),
    Lost,
    Reconnected,
}

/// The shared side; its connection is opened for the first subscription.
#[derive(Default)]
pub(super) struct Pushes {
    state: tokio::sync::Mutex<Option<broadcast::Sender<Item>>>,
    link: Mutex<Option<Arc<Link>>>,
    channels: Mutex<BTreeSet<Box<str>>>,
    doubted: Arc<Notify>,
}

impl Pushes {
    fn link(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channels(&self) -> MutexGuard<'_, BTreeSet<Box<str>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Listens to channels. Once this returns, the server has confirmed it.
    pub(crate) async fn subscribe(&self, channels: &[&str]) -> Result<Subscription, Error> {
        let settings = &self.0.settings;
        let limit = settings.runtime.sleep(settings.connect_timeout);
        match select(pin!(self.subscribe_patiently(channels)), pin!(limit)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(Error::new(ErrorKind::Unavailable, "no subscription within the connect timeout")),
        }
    }

    async fn subscribe_patiently(&self, channels: &[&str]) -> Result<Subscription, Error> {
        let pushes = &self.0.pushes;
        let mut state = pushes.state.lock().await;
        let sender = match &*state {
            Some(sender) => sender.clone(),
            None => {
                let recipes = push_recipes(&self.0, &[]);
                let (_, link) = open_first(recipes, &self.0.settings.runtime).await.map_err(|_| failure::not_connected())?;
                let link = Arc::new(link);
                let (sender, _) = broadcast::channel(CAPACITY);
                *pushes.link() = Some(link.clone());
                self.spawn_pump(&link, &sender);
                let tend = tend(Arc::downgrade(&self.0), sender.clone());
                self.0.settings.runtime.spawn(Box::pin(unless_dropped(self.0.alive.subscribe(), tend)));
                state.insert(sender).clone()
            }
        };
        drop(state);
        pushes.channels().extend(channels.iter().map(|channel| Box::from(*channel)));
        let events = sender.subscribe();
        let link = pushes.link().clone().ok_or_else(failure::not_connected)?;
        if listen(&link, &self.0.settings.runtime, channels.iter().map(ToString::to_string).collect()).await {
            Ok(Subscription { channels: channels.iter().map(|channel| Box::from(*channel)).collect(), events })
        } else {
            Err(failure::not_connected())
        }
    }

    /// Replaces the connection for messages, in the background, although it gives signs of life: somebody does not hear what must be heard.
    /// In a cluster by one to another node, if there is one.
    pub(crate) fn renew_subscriptions(&self) {
        self.0.pushes.doubted.notify_one();
    }

    fn spawn_pump(&self, link: &Link, sender: &broadcast::Sender<Item>) {
        let pump = pump(link.fred.message_rx(), sender.clone());
        self.0.settings.runtime.spawn(Box::pin(unless_dropped(self.0.alive.subscribe(), pump)));
    }
}

/// The ways to a connection for messages. Every node of a cluster delivers all of them, so one node will do, whoever owns what. When there
/// are others, not those that are `doubted`.
fn push_recipes(shared: &Shared, doubted: &[Server]) -> Vec<Recipe> {
    let wire = shared.wire();
    let mut recipe = shared.recipe.clone().unwrap_or_else(|| Recipe::of(&wire.link.fred));
    // answers and messages come apart only there
    recipe.config.version = RespVersion::RESP3;
    recipe.performance.broadcast_channel_capacity = CAPACITY;
    let mut hosts = wire.hosts(&recipe);
    if hosts.iter().any(|host| !doubted.contains(host)) {
        hosts.retain(|host| !doubted.contains(host));
    }
    let mut dice = [0];
    _ = getrandom::fill(&mut dice); // without chance all nodes ask the same one first
    let first = usize::from(dice[0]) % hosts.len().max(1);
    hosts.rotate_left(first);
    let one = |host: Server| if recipe.is_clustered() { recipe.clone().to(&host) } else { recipe.asking(host) };
    hosts.into_iter().map(one).collect()
}

/// Hands messages on until the connection is gone. Falling behind the library is told and survived.
async fn pump(mut messages: broadcast::Receiver<Message>, sender: broadcast::Sender<Item>) {
    loop {
        let item = match messages.recv().await {
            Ok(message) => {
                let payload = match message.value {
                    Value::Bytes(bytes) => bytes,
                    Value::String(text) => text.into_inner(),
                    _ => continue,
                };
                Item::Message { channel: (*message.channel).into(), payload }
            }
            Err(RecvError::Lagged(count)) => Item::Lagged(count),
            Err(RecvError::Closed) => return,
        };
        _ = sender.send(item); // nobody listens just now
    }
}

/// Subscribes again after every reconnection, and replaces a connection that gives no sign of life.
async fn tend(shared: Weak<Shared>, sender: broadcast::Sender<Item>) {
    let mut lost = false;
    loop {
        let Some((client, link)) = upgrade(&shared) else { return };
        let runtime = client.0.settings.runtime.clone();
        drop(client);
        let (mut cut, mut doubted) = (0, vec![]);
        let (mut reconnected, mut failed) = (link.fred.reconnect_rx(), link.fred.error_rx());
        loop {
            let silent = tokio::select! {
                news = reconnected.recv() => {
                    if matches!(news, Err(RecvError::Closed)) { return }
                    let Some((client, _)) = upgrade(&shared) else { return };
                    let channels = client.0.pushes.channels().iter().map(ToString::to_string).collect();
                    drop(client);
                    // before the first message over the new connection; the news of the loss may come later, and are old by then
                    while !matches!(failed.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
                    if !std::mem::replace(&mut lost, true) {
                        _ = sender.send(Item::Lost);
                    }
                    let listens = listen(&link, &runtime, channels).await;
                    if listens {
                        lost = false;
                        _ = sender.send(Item::Reconnected);
                    }
                    !listens
                }
                _ = failed.recv() => {
                    if !std::mem::replace(&mut lost, true) {
                        _ = sender.send(Item::Lost);
                    }
                    false
                }
                () = doubt(&shared) => {
                    doubted = link.fred.active_connections();
                    true
                }
                () = runtime.sleep(BEAT) => {
                    cut = if link.is_connected() { 0 } else { cut + 1 };
                    // the library goes on to try this one; others may be there
                    link.is_dead() || cut > 2 || (cut == 0 && !answers(&link, &runtime).await)
                }
            };
            if silent {
                break;
            }
        }
        if !std::mem::replace(&mut lost, true) {
            _ = sender.send(Item::Lost);
        }
        drop(link);
        while !replace(&shared, &sender, &runtime, &doubted).await {
            if shared.strong_count() == 0 {
                return;
            }
            runtime.sleep(PAUSE).await;
        }
        lost = false;
        _ = sender.send(Item::Reconnected);
    }
}

/// Somebody asks for another connection; never without them all.
async fn doubt(shared: &Weak<Shared>) {
    let Some(doubted) = shared.upgrade().map(|shared| shared.pushes.doubted.clone()) else { return std::future::pending().await };
    doubted.notified().await;
}

fn upgrade(shared: &Weak<Shared>) -> Option<(Client, Arc<Link>)> {
    let shared = shared.upgrade()?;
    let link = shared.pushes.link().clone()?;
    Some((Client(shared), link))
}

async fn replace(shared: &Weak<Shared>, sender: &broadcast::Sender<Item>, runtime: &Runtime, doubted: &[Server]) -> bool {
    let Some((recipes, channels)) = shared.upgrade().map(|shared| {
        let channels = shared.pushes.channels().iter().map(ToString::to_string).collect();
        (push_recipes(&shared, doubted), channels)
    }) else {
        return false;
    };
    let limit = runtime.sleep(PATIENCE);
    let fresh = tokio::select! {
        Ok((_, fresh)) = open_first(recipes, runtime) => Arc::new(fresh),
        () = limit => return false,
        else => return false,
    };
    let Some(shared) = shared.upgrade() else { return false };
    let client = Client(shared);
    // the connection before may have come to life again meanwhile, and ends now
    _ = sender.send(Item::Lost);
    client.spawn_pump(&fresh, sender);
    *client.0.pushes.link() = Some(fresh.clone());
    drop(client);
    listen(&fresh, runtime, channels).await
}

/// Subscribes, and asks for an answer behind it: the library reports a subscription as done when it is sent.
async fn listen(link: &Link, runtime: &Runtime, channels: Vec<String>) -> bool {
    if !channels.is_empty() && link.fred.subscribe(channels).await.is_err() {
        return false;
    }
    answers(link, runtime).await
}

async fn answers(link: &Link, runtime: &Runtime) -> bool {
    let options = Options { max_attempts: Some(1), timeout: Some(PATIENCE), fail_fast: true, ..Options::default() };
    let fred = link.fred.with_options(&options);
    let ping = fred.custom_raw(CustomCommand::new_static("PING", ClusterHash::FirstKey, false), Vec::<Value>::new());
    matches!(select(pin!(ping), pin!(runtime.sleep(PATIENCE))).await, Either::Left((Ok(_), _)))
}
