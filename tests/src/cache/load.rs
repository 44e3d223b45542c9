//! Clients that read and write at random nodes, and what they saw.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method, Request, header::COOKIE};
use tower::ServiceExt;
use unstick_core::BoxFuture;
use unstick_testkit::{
    client::Jar,
    staleness::{Ledger, Read, Write},
};

use super::{
    CUSTOMERS, KINDS,
    app::{Node, Settled},
    source::Written,
};
use crate::{cookies, keep};

/// An answer of a node.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: String,
    /// When a write's invalidation had returned, if the node says so.
    pub settled: Option<Instant>,
}

/// Nodes that can be asked.
pub trait Nodes: Send + Sync + 'static {
    /// How many.
    fn count(&self) -> usize;
    /// Asks one.
    fn ask(&self, node: usize, method: Method, path: String, cookie: String) -> BoxFuture<'_, io::Result<Reply>>;
}

/// Nodes in this process.
#[derive(Debug, Clone)]
pub struct Local(pub Vec<Node>);

impl Nodes for Local {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn ask(&self, node: usize, method: Method, path: String, cookie: String) -> BoxFuture<'_, io::Result<Reply>> {
        let service = self.0[node].service();
        Box::pin(async move {
            let mut request = Request::builder().method(method).uri(path);
            if !cookie.is_empty() {
                request = request.header(COOKIE, cookie);
            }
            let request = request.body(Bytes::new()).map_err(io::Error::other)?;
            let response = service.oneshot(request).await.unwrap_or_else(|never| match never {});
            let (parts, body) = response.into_parts();
            let settled = parts.extensions.get::<Settled>().map(|settled| settled.0);
            let body = axum::body::to_bytes(body, 1 << 20).await.map_err(io::Error::other)?;
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body, settled })
        })
    }
}

/// A small seeded generator.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// Below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((self.0 >> 33) ^ (self.0 >> 13)) % bound.max(1)
    }

    /// Once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What clients do.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// How many clients.
    pub clients: u64,
    /// One request in so many writes.
    pub writes: u64,
    /// Whether one write in four is told in its transaction.
    pub has_transactions: bool,
}

impl Default for Mix {
    fn default() -> Self {
        Self { clients: 32, writes: 120, has_transactions: false }
    }
}

/// Progress of a [`Load`]. Clones are the same.
#[derive(Debug, Clone)]
pub struct Progress {
    began: Instant,
    done: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    acknowledged: Arc<Mutex<Vec<(usize, Duration)>>>,
    over: Arc<AtomicBool>,
}

impl Progress {
    /// Time since the load's beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// That time as of an instant.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.began)
    }

    /// Requests that were answered.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// Requests that were not.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }

    /// Waits until so many requests were answered.
    pub async fn reaches(&self, requests: usize) {
        while self.done() < requests {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until so many more were answered.
    pub async fn goes_on(&self, requests: usize) {
        self.reaches(self.done() + requests).await;
    }

    /// When a node last acknowledged a write before `time`.
    #[must_use]
    pub fn last_acknowledged(&self, node: usize, time: Duration) -> Option<Duration> {
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.iter().filter(|(by, at)| *by == node && *at <= time).map(|(_, at)| *at).max()
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    /// How far it is.
    pub progress: Progress,
    clients: Vec<tokio::task::JoinHandle<Ledger>>,
}

impl Load {
    /// Starts the clients.
    pub fn start(nodes: Arc<dyn Nodes>, mix: Mix, seed: u64) -> Self {
        let progress = Progress {
            began: Instant::now(),
            done: Arc::default(),
            failed: Arc::default(),
            acknowledged: Arc::default(),
            over: Arc::default(),
        };
        let start = |number| {
            let dice = Dice(seed ^ u64::wrapping_mul(number, 0x9e37_79b9_7f4a_7c15));
            let client = Client { number, dice, mix, nodes: nodes.clone(), progress: progress.clone(), last: None };
            tokio::spawn(client.run())
        };
        let clients = (1..=mix.clients).map(start).collect();
        Self { progress, clients }
    }

    /// Lets the clients finish what they are at, and hands over what they saw.
    ///
    /// # Panics
    /// When a client did.
    pub async fn finish(self) -> Ledger {
        self.progress.over.store(true, Ordering::SeqCst);
        let mut all = Ledger::default();
        for client in join_all(self.clients).await {
            all.append(client.expect("a client"));
        }
        all
    }
}

struct Client {
    number: u64,
    dice: Dice,
    mix: Mix,
    nodes: Arc<dyn Nodes>,
    progress: Progress,
    /// What it wrote last, and how often it will look at that.
    last: Option<(u64, u64, u64)>,
}

/// What a client has, and has seen.
#[derive(Debug, Default)]
struct Seen {
    jar: Jar,
    ledger: Ledger,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request.
struct Asked {
    node: usize,
    method: Method,
    path: String,
    cart: (u64, u64),
}

/// A cart's number.
#[must_use]
pub fn key((customer, kind): (u64, u64)) -> u64 {
    customer * KINDS + kind
}

/// The lines of a write's answer.
#[must_use]
pub fn written(body: &str) -> Vec<Written> {
    let parse = |line: &str| {
        let mut numbers = line.split(' ').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    body.lines().filter_map(parse).collect()
}

impl Client {
    async fn run(mut self) -> Ledger {
        let seen = Mutex::new(Seen::default());
        while !self.progress.over.load(Ordering::Relaxed) {
            // now and then two at once, as browsers do
            let requests: Vec<_> = (0..=u64::from(self.dice.once_in(8))).map(|_| self.choose()).collect();
            let wrote = join_all(requests.into_iter().map(|asked| self.request(&seen, asked))).await;
            if let Some((customer, kind)) = wrote.into_iter().flatten().next() {
                self.last = Some((customer, kind, 3));
            }
        }
        seen.into_inner().unwrap_or_else(PoisonError::into_inner).ledger
    }

    fn choose(&mut self) -> Asked {
        let node = usize::try_from(self.dice.below(self.nodes.count() as u64)).unwrap_or_default();
        let dice = &mut self.dice;
        // one cart is liked by all
        let is_hot = dice.once_in(4);
        let mut cart = if is_hot { (0, 0) } else { (dice.below(CUSTOMERS), dice.below(KINDS)) };
        if !dice.once_in(self.mix.writes) {
            if let Some((customer, kind, times)) = self.last {
                cart = (customer, kind);
                self.last = Some((customer, kind, times - 1)).filter(|(.., times)| *times > 0);
            }
            return Asked { node, method: Method::GET, path: format!("/carts/{}/{}", cart.0, cart.1), cart };
        }
        let what = match dice.below(128) {
            0 => "everything",
            1..=12 => return Asked { node, method: Method::PUT, path: format!("/customers/{}", cart.0), cart },
            turn if self.mix.has_transactions && turn % 4 == 0 => "transactions",
            _ => "carts",
        };
        Asked { node, method: Method::PUT, path: format!("/{what}/{}/{}", cart.0, cart.1), cart }
    }

    /// The cart that was written.
    async fn request(&self, seen: &Mutex<Seen>, asked: Asked) -> Option<(u64, u64)> {
        // before the jar is looked into: what comes in between is not expected of the answer
        let sent = self.progress.now();
        let cookie = cookies(&lock(seen).jar);
        let reply = self.nodes.ask(asked.node, asked.method.clone(), asked.path.clone(), cookie).await;
        let received = self.progress.now();
        let noted = self.note(&mut lock(seen), &asked, reply, sent, received);
        if !noted {
            // a node that is gone refuses at once
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        (noted && asked.method == Method::PUT).then_some(asked.cart)
    }

    /// Whether it was answered.
    fn note(&self, seen: &mut Seen, asked: &Asked, reply: io::Result<Reply>, sent: Duration, received: Duration) -> bool {
        let Asked { node, cart, .. } = *asked;
        let is_read = asked.method == Method::GET;
        if let Ok(reply) = &reply {
            keep(&mut seen.jar, &reply.headers);
        }
        // whoever refuses a connection has not written
        let is_refused = reply.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        let Some(reply) = reply.ok().filter(|reply| reply.status == 200) else {
            self.progress.failed.fetch_add(1, Ordering::SeqCst);
            let is_lost = |kind: &u64| !is_read && !is_refused && (asked.path.starts_with("/customers/") || *kind == cart.1);
            (0..KINDS).filter(is_lost).for_each(|kind| seen.ledger.wrote_perhaps(key((cart.0, kind))));
            return false;
        };
        self.progress.done.fetch_add(1, Ordering::SeqCst);
        let client = self.number;
        if is_read {
            let version = reply.body.parse().unwrap_or(u64::MAX);
            seen.ledger.read(Read { client, key: key(cart), node, version, sent, received });
            return true;
        }
        let settled = reply.settled.map_or(received, |settled| self.progress.at(settled));
        for (customer, kind, version) in written(&reply.body) {
            seen.ledger.wrote(Write { client, key: key((customer, kind)), node, version, sent, settled, received });
        }
        self.progress.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push((node, received));
        true
    }
}
