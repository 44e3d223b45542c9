//! One place behind the balancer: a node that can be stopped and started.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::sync::watch;

use crate::{
    events::{Entry, News},
    node::{Ended, Node},
    pool::Pool,
    process::ChildNode,
};

/// How long a node that could not be reached is tried last.
const SUSPICION: Duration = Duration::from_secs(2);

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It takes requests.
    Running,
    /// It finishes what it has.
    Draining,
    /// It was stopped.
    Stopped,
    /// Its process ended by itself.
    Died,
}

/// A node or the process of one.
#[derive(Debug)]
pub(crate) enum Running {
    /// In this process.
    Local(Node),
    /// In a process of its own.
    Child(ChildNode),
}

impl Running {
    /// Fails its readiness check while it serves on.
    pub(crate) async fn begin_drain(&mut self) {
        match self {
            Self::Local(node) => node.begin_drain(),
            Self::Child(child) => child.begin_drain().await,
        }
    }

    /// Switches un-pinning.
    pub(crate) async fn unpin(&mut self, on: bool) {
        match self {
            Self::Local(node) => node.unpin(on),
            Self::Child(child) => child.unpin(on).await,
        }
    }

    /// Finishes what is in flight. `None` when a process had to be killed, or was.
    pub(crate) async fn stop(self) -> Option<Ended> {
        match self {
            Self::Local(node) => Some(node.stop().await),
            Self::Child(child) => child.stop().await,
        }
    }
}

/// What is known about a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// What its node is doing.
    pub(crate) state: State,
    /// Where its node listens, or last listened.
    pub(crate) addr: Option<SocketAddr>,
    /// Its node's process, if it has one of its own.
    pub(crate) pid: Option<u32>,
    /// Counts starts, so that news of an earlier node is not taken for news of this one.
    pub(crate) incarnation: u64,
    /// Sessions found and lost by earlier nodes of this slot.
    pub(crate) before: (u64, u64),
    /// Sessions found and lost by this node, when last asked.
    pub(crate) current: (u64, u64),
    /// The last event collected from this node.
    pub(crate) collected: u64,
    suspect_until: Option<Instant>,
}

/// See the [module docs](self).
#[derive(Debug)]
pub(crate) struct Slot {
    /// The node's name.
    pub(crate) name: String,
    /// Idle connections to it.
    pub(crate) pool: Pool,
    /// Held while the node is started or stopped.
    pub(crate) running: tokio::sync::Mutex<Option<Running>>,
    view: Mutex<View>,
    in_flight: watch::Sender<usize>,
}

impl Slot {
    /// An empty slot.
    pub(crate) fn new(name: String) -> Self {
        let view = View {
            state: State::Stopped,
            addr: None,
            pid: None,
            incarnation: 0,
            before: (0, 0),
            current: (0, 0),
            collected: 0,
            suspect_until: None,
        };
        Self {
            name,
            pool: Pool::default(),
            running: tokio::sync::Mutex::new(None),
            view: Mutex::new(view),
            in_flight: watch::Sender::new(0),
        }
    }

    /// What is known now.
    pub(crate) fn view(&self) -> View {
        *self.lock()
    }

    /// Changes what is known.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        change(&mut self.lock())
    }

    /// Takes note of a node that has just been started; returns its incarnation.
    pub(crate) fn started(&self, addr: SocketAddr, pid: Option<u32>) -> u64 {
        self.change(|view| {
            view.before = (view.before.0 + view.current.0, view.before.1 + view.current.1);
            (view.current, view.collected, view.suspect_until) = ((0, 0), 0, None);
            (view.addr, view.pid, view.state) = (Some(addr), pid, State::Running);
            view.incarnation += 1;
            view.incarnation
        })
    }

    /// Takes note of what the node of this incarnation said about itself; returns the events that are new.
    pub(crate) fn take(&self, incarnation: u64, news: News) -> Vec<Entry> {
        self.change(|view| {
            if view.incarnation != incarnation {
                return Vec::new();
            }
            let known = view.collected;
            view.collected = news.events.last().map_or(known, |entry| entry.seq);
            view.current = (news.found, news.lost);
            news.events.into_iter().filter(|entry| entry.seq > known).collect()
        })
    }

    /// Registers a request, if the node takes requests. Registered first and checked second, so that draining cannot miss it.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<(SocketAddr, InFlight)> {
        self.in_flight.send_modify(|count| *count += 1);
        let guard = InFlight(Arc::clone(self));
        let view = self.view();
        view.addr.filter(|_| view.state == State::Running).map(|addr| (addr, guard))
    }

    /// Resolves when no request is in flight.
    pub(crate) async fn quiet(&self) {
        // Cannot fail: the sender is in `self`.
        let _ = self.in_flight.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Tries the node last for a while. Returns whether that is news.
    pub(crate) fn suspect(&self) -> bool {
        let now = Instant::now();
        self.change(|view| view.suspect_until.replace(now + SUSPICION).is_none_or(|until| until < now))
    }

    /// Trusts the node again.
    pub(crate) fn trust(&self) {
        self.change(|view| view.suspect_until = None);
    }

    /// Whether the node could not be reached lately.
    pub(crate) fn is_suspect(&self) -> bool {
        self.view().suspect_until.is_some_and(|until| until > Instant::now())
    }

    // Plain data: a panic elsewhere cannot leave it in a state that matters.
    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way to a slot's node.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Slot>);

impl InFlight {
    /// Where to.
    pub(crate) fn slot(&self) -> &Slot {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.send_modify(|count| *count -= 1);
    }
}
