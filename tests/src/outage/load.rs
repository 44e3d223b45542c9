//! The load: a request each 10 ms, round and round over clients and nodes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use http::Request;
use unstick_core::{Events, Key, KeyRing};
use unstick_session::SessionLayer;
use unstick_testkit::{
    load::{Fault, Load, OpenLoop, Report},
    observe::EventLog,
};

use super::{Losses, ledger::Ledger};
use crate::{Answer, App, Client, stores};

/// Deadline of one backend operation. A request of this load makes one.
pub const DEADLINE: Duration = Duration::from_secs(1);

/// What a busy machine may add before a request counts as having waited longer than its deadline.
const SLACK: Duration = Duration::from_secs(3);

/// How long to wait for an outage to pass before it is called endless.
const PATIENCE: Duration = Duration::from_secs(60);

/// How big the load is.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Nodes, each with connections of its own.
    pub nodes: usize,
    /// Clients that read and write.
    pub shoppers: usize,
    /// Clients that log out, one for each 20 requests.
    pub leavers: usize,
    /// Time between two requests.
    pub period: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { nodes: 3, shoppers: 20, leavers: 60, period: Duration::from_millis(10) }
    }
}

/// A load that goes on while something is broken.
#[derive(Debug)]
pub struct Outage {
    /// Events of all nodes.
    pub log: Arc<EventLog>,
    /// Layers, one per node.
    pub layers: Vec<SessionLayer>,
    client: Client,
    ledger: Arc<Ledger>,
    load: Load<String>,
    start: Duration,
    end: Option<Duration>,
}

pub(super) async fn ask(client: &Client, node: usize, path: &str, cookie: &str) -> Answer {
    let request = Request::builder().uri(path);
    let request = if cookie.is_empty() { request } else { request.header("cookie", cookie) };
    client.request(node, request.body(Body::empty()).expect("a request")).await
}

impl Outage {
    /// Starts nodes on the backend at `url`, gives every client a session, starts the load and waits until it runs smoothly.
    ///
    /// # Panics
    /// When the nodes do not start, or the load does not run.
    pub async fn prepare(url: &str, settings: Settings) -> Self {
        let log = Arc::new(EventLog::default());
        let app = App::default();
        let (mut layers, mut routers) = (Vec::new(), Vec::new());
        for node in 0..settings.nodes {
            let events = Events::new(&format!("node-{node}")).observer(log.clone());
            let store = stores::open(url, events.clone()).await;
            let keys = KeyRing::new(Key::from_bytes([7; 32]).expect("a key"));
            let layer = SessionLayer::keyed(store, keys).deadline(DEADLINE).events(events).build().expect("a layer");
            routers.push(app.router().layer(layer.clone()));
            layers.push(layer);
        }
        let client = Client::of(routers);
        let ledger = Arc::new(Ledger::new(settings.shoppers, settings.leavers));
        for at in 0..settings.shoppers {
            let answer = ask(&client, at, &format!("/set?first={at}"), "").await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            ledger.answered(at, &answer.headers, Some("first".to_owned()));
        }
        for at in 0..settings.leavers {
            let answer = ask(&client, at, "/set?first=leaver", "").await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            ledger.entered(at, &answer.headers);
        }
        let leaving = AtomicUsize::new(0);
        let schedule = OpenLoop { period: settings.period, ..OpenLoop::default() };
        let load = Load::start(schedule, {
            let (client, ledger) = (client.clone(), ledger.clone());
            move |n| request(n, &leaving, client.clone(), ledger.clone())
        });
        let outage = Self { log, layers, client, ledger, load, start: Duration::ZERO, end: None };
        assert!(outage.load.await_successes(50, PATIENCE).await, "the load does not run: {:?}", outage.load.so_far());
        outage
    }

    /// Breaks something; from here on times are counted. `fault` may block.
    ///
    /// # Panics
    /// When `fault` does.
    pub fn broken<T: Send>(&mut self, fault: impl FnOnce() -> T + Send) -> T {
        self.start = self.load.now();
        blocking(fault)
    }

    /// Takes the cause away. Without this call the system has to heal by itself.
    ///
    /// # Panics
    /// When `repair` does.
    pub fn mended<T: Send>(&mut self, repair: impl FnOnce() -> T + Send) -> T {
        let answer = blocking(repair);
        self.end = Some(self.load.now());
        answer
    }

    /// Waits until as many requests that started from now on have been answered with success.
    pub async fn succeeds(&self, requests: usize) -> bool {
        self.load.await_successes(requests, PATIENCE).await
    }

    /// Lets the load go on for a while: how long a fault lasts is part of it.
    pub async fn lasts(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Ends the load as things are, without looking at what was acknowledged.
    pub async fn finish(self) -> (Report<String>, Client) {
        let record = self.load.finish(DEADLINE + 2 * SLACK).await;
        let fault = Fault { start: self.start, end: self.end.unwrap_or(self.start) };
        (record.analyse(Some(fault), DEADLINE + SLACK), self.client)
    }

    /// Waits until the load runs smoothly again, ends it, and looks at everything that was acknowledged.
    ///
    /// # Panics
    /// When it does not recover within a minute.
    pub async fn recover(self) -> (Report<String>, Losses) {
        assert!(self.succeeds(200).await, "no recovery within {PATIENCE:?}: {}", self.load.so_far().analyse(None, DEADLINE + SLACK));
        let ledger = self.ledger.clone();
        let (report, client) = self.finish().await;
        let losses = ledger.compare(&client).await;
        (report, losses)
    }
}

/// Runs what blocks on a thread of its own, so that the load goes on meanwhile.
fn blocking<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    tokio::task::block_in_place(work)
}

/// The `n`-th request. Reads and writes take turns; each twentieth is a logout.
fn request(
    n: usize,
    leaving: &AtomicUsize,
    client: Client,
    ledger: Arc<Ledger>,
) -> impl Future<Output = Result<(), String>> + Send + use<> {
    let at = n / 2 % ledger.shoppers();
    let node = n.wrapping_mul(7) / 3;
    let leaver = (n % 20 == 19).then(|| leaving.fetch_add(1, Ordering::Relaxed)).filter(|leaver| *leaver < ledger.leavers());
    async move {
        if let Some(leaver) = leaver {
            let answer = ask(&client, node, "/logout", &ledger.leaver(leaver)).await;
            return outcome(&answer).map(|()| ledger.left(leaver));
        }
        let cookie = ledger.shopper(at);
        if n % 2 == 0 {
            let answer = ask(&client, node, "/get?k=first", &cookie).await;
            outcome(&answer)?;
            ledger.answered(at, &answer.headers, None);
            return match &*answer.body {
                "" => Err("empty session".to_owned()),
                told if told == format!("\"{at}\"") || told == at.to_string() => Ok(()),
                _ => Err("another's session".to_owned()),
            };
        }
        let key = format!("w{n}");
        let answer = ask(&client, node, &format!("/set?{key}=1"), &cookie).await;
        outcome(&answer)?;
        ledger.answered(at, &answer.headers, Some(key));
        Ok(())
    }
}

fn outcome(answer: &Answer) -> Result<(), String> {
    if answer.status == 200 { Ok(()) } else { Err(answer.status.as_str().to_owned()) }
}
