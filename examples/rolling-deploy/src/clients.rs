//! Clients with cookie jars, who come whether or not the ones before were served.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex;
use unstick_testkit::{
    client::Browser,
    load::{Load, OpenLoop},
};

/// How many there are: no multiple of the nodes, or turns would bring each of them to the same node for ever.
pub(crate) const CLIENTS: usize = 25;

/// One request every so often.
const PERIOD: Duration = Duration::from_millis(10);

struct Client {
    browser: Browser,
    cart: u32,
    nodes: BTreeSet<String>,
}

/// All of them, and the load that they make.
pub(crate) struct Clients {
    clients: Arc<Vec<Mutex<Client>>>,
    lost: Arc<AtomicUsize>,
    load: Load<String>,
}

/// What became of them.
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    pub(crate) failures: Vec<String>,
    pub(crate) lost: usize,
}

impl Clients {
    /// Lets them come to this address.
    pub(crate) fn start(address: SocketAddr) -> Self {
        // Names below localhost count as secure, so that the session's cookie is kept without TLS.
        let client = || Client { browser: Browser::new(address).host("shop.localhost"), cart: 0, nodes: BTreeSet::new() };
        let clients: Arc<Vec<_>> = Arc::new((0..CLIENTS).map(|_| Mutex::new(client())).collect());
        let lost = Arc::new(AtomicUsize::new(0));
        let (all, counter) = (Arc::clone(&clients), Arc::clone(&lost));
        let load = Load::start(OpenLoop { period: PERIOD, ..OpenLoop::default() }, move |call| {
            let (all, lost) = (Arc::clone(&all), Arc::clone(&counter));
            async move { all[call % CLIENTS].lock().await.add(&lost).await }
        });
        Self { clients, lost, load }
    }

    /// Whether so many requests have been served from now on, within a minute.
    pub(crate) async fn are_served(&self, requests: usize) -> bool {
        self.load.await_successes(requests, Duration::from_secs(60)).await
    }

    /// How many have met more than one node so far.
    pub(crate) async fn moved(&self) -> usize {
        let mut moved = 0;
        for client in self.clients.iter() {
            moved += usize::from(client.lock().await.nodes.len() > 1);
        }
        moved
    }

    /// Sends them home.
    pub(crate) async fn finish(self) -> Outcome {
        let record = self.load.finish(Duration::from_secs(60)).await;
        let failed = record.calls.iter().filter(|call| !call.succeeded());
        let failures = failed.map(|call| match &call.end {
            Some((_, Err(why))) => why.clone(),
            _ => "no answer".to_owned(),
        });
        Outcome { requests: record.calls.len(), failures: failures.collect(), lost: self.lost.load(Ordering::Relaxed) }
    }
}

impl Client {
    /// Adds one to the cart, which must have in it what was there before.
    async fn add(&mut self, lost: &AtomicUsize) -> Result<(), String> {
        let page = self.browser.post("/cart", "").await.map_err(|error| error.to_string())?;
        let text = page.text().into_owned();
        let answer = text.split_once(' ').and_then(|(node, count)| Some((node.to_owned(), count.parse::<u32>().ok()?)));
        let (node, cart) = answer.ok_or_else(|| format!("{} {}", page.status, text.trim()))?;
        if cart != self.cart + 1 {
            lost.fetch_add(1, Ordering::Relaxed);
        }
        self.cart = cart;
        // Its place counts, not its release.
        self.nodes.insert(node.split('/').next().unwrap_or_default().to_owned());
        Ok(())
    }
}

/// Waits until a newcomer is sent to this node.
pub(crate) async fn reaches_newcomers(address: SocketAddr, node: &str) -> bool {
    let asked = async {
        loop {
            let page = Browser::new(address).host("shop.localhost").post("/cart", "").await;
            if page.is_ok_and(|page| page.text().split(' ').next() == Some(node)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.is_ok()
}
