//! The nodes: started, stopped, chosen from, and asked what happened.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Limited};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    balancer::Share,
    carts::LocalBus,
    cli::Mode,
    error::Failure,
    events::{Entry, News, Ring},
    node::{DRAIN, Ended, Node},
    process::ChildNode,
    sessions::Plan,
    slot::{Running, Slot, State},
};

/// How long a node may take to answer the balancer's own questions.
const REPORT: Duration = Duration::from_secs(1);

/// The largest answer that is read.
const REPORT_BYTES: usize = 1 << 20;

/// All nodes of the shop.
#[derive(Debug)]
pub(crate) struct Fleet {
    slots: Vec<Arc<Slot>>,
    plan: Plan,
    process_per_node: bool,
    bus: Option<LocalBus>,
    unpinning: AtomicBool,
    pinned: Share,
    turn: AtomicUsize,
    log: Ring,
    collecting: tokio::sync::Mutex<()>,
}

/// One node, for the page.
#[derive(Debug, Serialize)]
pub(crate) struct NodeInfo {
    /// Counts from 1.
    id: usize,
    pub(crate) name: String,
    pub(crate) address: Option<String>,
    pub(crate) pid: Option<u32>,
    state: State,
}

/// How well the fleet kept its sessions.
#[derive(Debug, Serialize)]
pub(crate) struct Continuity {
    found: u64,
    lost: u64,
    /// `found / (found + lost)`; 1 while nothing was asked for.
    rate: f64,
}

impl Fleet {
    /// Starts `nodes` nodes.
    pub(crate) async fn start(nodes: usize, plan: Plan, process_per_node: bool) -> Result<Arc<Self>, Failure> {
        let bus = (plan.mode == Mode::Unstick && !process_per_node).then(LocalBus::new);
        let unpinning = AtomicBool::new(plan.mode != Mode::Sticky);
        let fleet = Arc::new(Self {
            unpinning,
            pinned: Share::default(),
            slots: (1..=nodes).map(|id| Arc::new(Slot::new(format!("node-{id}")))).collect(),
            plan,
            process_per_node,
            bus,
            turn: AtomicUsize::new(0),
            log: Ring::default(),
            collecting: tokio::sync::Mutex::new(()),
        });
        for id in 1..=nodes {
            if let Err(failure) = fleet.start_node(id).await {
                fleet.stop().await;
                return Err(failure);
            }
        }
        Ok(fleet)
    }

    /// Where sessions live and whether the balancer pins.
    pub(crate) const fn mode(&self) -> Mode {
        self.plan.mode
    }

    /// Where sessions live, as it may be printed.
    pub(crate) fn sessions(&self) -> String {
        unstick::store::shown(&self.plan.sessions)
    }

    /// Whether a session is found on every node.
    pub(crate) fn has_shared_sessions(&self) -> bool {
        self.plan.has_shared_sessions()
    }

    /// Where saved carts are kept.
    pub(crate) fn carts(&self) -> &str {
        &self.plan.carts
    }

    /// What became of the bus between the nodes: `on`, `off`, or `none` where nodes have none.
    pub(crate) fn bus(&self) -> &'static str {
        match &self.bus {
            Some(bus) if bus.is_on() => "on",
            Some(_) => "off",
            None => "none",
        }
    }

    /// Switches the bus between the nodes. False: there is none.
    pub(crate) fn switch_bus(&self, on: bool) -> bool {
        let Some(bus) = &self.bus else { return false };
        bus.switch(on);
        self.log.note("balancer", if on { "bus_on" } else { "bus_off" }, !on, "");
        true
    }

    /// Whether the nodes end pins.
    pub(crate) fn is_unpinning(&self) -> bool {
        self.unpinning.load(Ordering::Acquire)
    }

    /// Switches un-pinning on every node that runs, and on those that are started later. False: this balancer pins nobody.
    pub(crate) async fn switch_unpinning(&self, on: bool) -> bool {
        if self.mode() != Mode::Sticky {
            return false;
        }
        self.unpinning.store(on, Ordering::Release);
        for slot in &self.slots {
            if let Some(running) = &mut *slot.running.lock().await {
                running.unpin(self.is_unpinning()).await;
            }
        }
        self.log.note("balancer", if on { "unpinning_on" } else { "unpinning_off" }, false, "");
        true
    }

    /// How many of the latest requests were pinned.
    pub(crate) const fn pinned(&self) -> &Share {
        &self.pinned
    }

    /// The balancer's own log, into which the nodes' events are collected.
    pub(crate) const fn log(&self) -> &Ring {
        &self.log
    }

    /// The slot of node `id`, counted from 1.
    pub(crate) fn slot(&self, id: usize) -> Option<&Arc<Slot>> {
        id.checked_sub(1).and_then(|index| self.slots.get(index))
    }

    /// Running nodes in the order in which they should be tried: the pinned one, then in turn, and those that could not be reached lately last.
    pub(crate) fn candidates(&self, pin: Option<&str>) -> Vec<Arc<Slot>> {
        // Those that do not run take no turn, or their neighbours would get two.
        let mut order: Vec<_> = self.slots.iter().filter(|slot| slot.view().state == State::Running).map(Arc::clone).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % order.len().max(1);
        order.rotate_left(turn);
        order.sort_by_key(|slot| (slot.is_suspect(), pin != Some(slot.name.as_str())));
        order
    }

    /// Starts node `id`, unless it runs. False: there is no such node.
    pub(crate) async fn start_node(self: &Arc<Self>, id: usize) -> Result<bool, Failure> {
        let Some(slot) = self.slot(id) else { return Ok(false) };
        let mut running = slot.running.lock().await;
        // A process that has died may still be there by name.
        if running.is_some() && slot.view().state == State::Running {
            return Ok(true);
        }
        slot.pool.clear();
        let (mut started, addr, pid) = if self.process_per_node {
            let child = ChildNode::start(&slot.name, &self.plan).await?;
            let (addr, pid) = (child.addr(), child.pid());
            (Running::Child(child), addr, pid)
        } else {
            let node = Node::start(&slot.name, &self.plan, self.bus.as_ref()).await?;
            let addr = node.addr();
            (Running::Local(node), addr, None)
        };
        started.unpin(self.is_unpinning()).await;
        let incarnation = slot.started(addr, pid);
        if let Running::Child(child) = &started {
            tokio::spawn(Self::bury(Arc::downgrade(self), Arc::clone(slot), incarnation, child.exited()));
        }
        *running = Some(started);
        self.log.note(&slot.name, "node_started", false, if incarnation > 1 { "again" } else { "" });
        Ok(true)
    }

    /// Takes node `id` out of rotation, lets it finish, and stops it. False: there is no such node.
    pub(crate) async fn stop_node(&self, id: usize) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let mut guard = slot.running.lock().await;
        if let Some(mut running) = guard.take() {
            slot.change(|view| view.state = State::Draining);
            running.begin_drain().await;
            // The balancer has turned away; what is still under way after this time is the drain's to cut.
            let _ = tokio::time::timeout(DRAIN, slot.quiet()).await;
            let ended = running.stop().await;
            slot.pool.clear();
            let (is_clean, how) = match &ended {
                Some(ended) => (ended.is_clean, ended.drained.clone()),
                None => (false, "its process ended without a word".to_owned()),
            };
            self.take(slot, ended).await;
            slot.change(|view| (view.state, view.addr, view.pid) = (State::Stopped, None, None));
            self.log.note(&slot.name, "node_stopped", !is_clean, &how);
        }
        true
    }

    /// Fails all readiness checks while the nodes serve on.
    pub(crate) async fn begin_drain(&self) {
        for slot in &self.slots {
            if let Some(running) = &mut *slot.running.lock().await {
                running.begin_drain().await;
            }
        }
    }

    /// Stops all nodes at once. Returns whether all requests were finished.
    pub(crate) async fn stop(&self) -> bool {
        let mut stopping = tokio::task::JoinSet::new();
        for slot in &self.slots {
            let Some(running) = slot.running.lock().await.take() else { continue };
            slot.change(|view| view.state = State::Stopped);
            stopping.spawn(running.stop());
        }
        stopping.join_all().await.iter().all(|ended| ended.as_ref().is_some_and(|ended| ended.is_clean))
    }

    /// Takes note of a process that ended by itself.
    async fn bury(fleet: std::sync::Weak<Self>, slot: Arc<Slot>, incarnation: u64, exited: impl Future<Output = Option<Ended>>) {
        let ended = exited.await;
        let died = slot.change(|view| {
            let died = view.incarnation == incarnation && view.state == State::Running;
            if died {
                (view.state, view.addr, view.pid) = (State::Died, None, None);
            }
            died
        });
        if died {
            slot.pool.clear();
            if let Some(fleet) = fleet.upgrade() {
                fleet.take(&slot, ended).await;
                fleet.log.note(&slot.name, "node_died", true, "its process ended by itself");
            }
            let mut running = slot.running.lock().await;
            // Unless somebody has started it again in the meantime.
            if slot.view().incarnation == incarnation {
                *running = None;
            }
        }
    }

    /// The nodes, for the page.
    pub(crate) fn nodes(&self) -> Vec<NodeInfo> {
        let info = |(index, slot): (usize, &Arc<Slot>)| {
            let view = slot.view();
            let address = view.addr.map(|addr| addr.to_string());
            NodeInfo { id: index + 1, name: slot.name.clone(), address, pid: view.pid, state: view.state }
        };
        self.slots.iter().enumerate().map(info).collect()
    }

    /// How well the fleet kept its sessions, as of the last [`collect`](Self::collect).
    #[allow(clippy::cast_precision_loss, reason = "a rate for the page")]
    pub(crate) fn continuity(&self) -> Continuity {
        let (mut found, mut lost) = (0, 0);
        for view in self.slots.iter().map(|slot| slot.view()) {
            found += view.before.0 + view.current.0;
            lost += view.before.1 + view.current.1;
        }
        let rate = if found + lost == 0 { 1.0 } else { found as f64 / (found + lost) as f64 };
        Continuity { found, lost, rate }
    }

    /// Asks every node for its news and appends them to the [log](Self::log), in the order in which they happened.
    pub(crate) async fn collect(&self) {
        // One at a time, so that no event is collected twice.
        let _one = self.collecting.lock().await;
        let mut asking = tokio::task::JoinSet::new();
        for slot in self.slots.iter().map(Arc::clone) {
            asking.spawn(async move { Self::report(&slot).await.unwrap_or_default() });
        }
        let mut news = asking.join_all().await.concat();
        news.sort_by_key(|entry| entry.at);
        news.into_iter().for_each(|entry| self.log.push(entry));
    }

    /// Appends the last events of a node to the [log](Self::log).
    async fn take(&self, slot: &Slot, ended: Option<Ended>) {
        let _one = self.collecting.lock().await;
        let news = ended.map(|ended| slot.take(slot.view().incarnation, ended.news));
        news.into_iter().flatten().for_each(|entry| self.log.push(entry));
    }

    /// Asks every running node the same question; those that don't answer in time are missing.
    pub(crate) async fn ask<T: DeserializeOwned + Send + 'static>(&self, path: &str) -> BTreeMap<String, T> {
        let mut asking = tokio::task::JoinSet::new();
        for slot in self.slots.iter().filter(|slot| slot.view().state == State::Running).map(Arc::clone) {
            let path = path.to_owned();
            asking.spawn(async move { Some((slot.name.clone(), Self::answer(&slot, &path).await?)) });
        }
        asking.join_all().await.into_iter().flatten().collect()
    }

    async fn answer<T: DeserializeOwned>(slot: &Slot, path: &str) -> Option<T> {
        let addr = slot.view().addr?;
        let request = Request::get(path).header("host", addr.to_string());
        let asked = async {
            let (response, connection) = slot.pool.send(addr, request.body(Body::empty()).ok()?).await.ok()?;
            let body: Bytes = Limited::new(response.into_body(), REPORT_BYTES).collect().await.ok()?.to_bytes();
            slot.pool.put(addr, connection);
            serde_json::from_slice(&body).ok()
        };
        tokio::time::timeout(REPORT, asked).await.ok()?
    }

    async fn report(slot: &Slot) -> Option<Vec<Entry>> {
        let view = slot.view();
        let news: News = Self::answer(slot, &format!("/internal/events?after={}", view.collected)).await?;
        Some(slot.take(view.incarnation, news))
    }
}
