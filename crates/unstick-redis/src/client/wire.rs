//! The connections in use, and what replaces them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use fred::{
    error::Error as FredError,
    interfaces::{ClientLike, ClusterInterface},
    types::config::Server,
};
use tokio::{runtime::Handle, sync::watch};
use unstick_core::{Events, Runtime};

use super::{
    detour::Direct,
    gather::Gather,
    link::{Link, Recipe, open_first},
    nodes::{Node, Nodes, Told},
    pushes::Pushes,
    watchdog::Gate,
};

/// Connections that writes with `WAIT` take turns on.
const WAITERS: usize = 4;

/// Everything that is decided when the client is built.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The most that a call may take.
    pub(crate) deadline: Duration,
    pub(crate) connect_timeout: Duration,
    /// So many replicas must have a write before it counts, within so much time.
    pub(crate) wait: Option<(u32, Duration)>,
    pub(crate) runtime: Runtime,
    pub(crate) events: Events,
}

/// Connections that are used and given up together.
pub(crate) struct Wire {
    pub(super) link: Link,
    waiters: Vec<Link>,
    turn: AtomicUsize,
    nodes: ArcSwap<Nodes>,
    pub(super) reads: Gather,
    pub(super) changes: Gather,
    /// To single nodes, while slots are moving.
    pub(super) direct: tokio::sync::Mutex<Vec<(Server, Arc<Direct>)>>,
}

impl Wire {
    fn new(link: Link, waiters: Vec<Link>) -> Self {
        let nodes = current_nodes(&link, None);
        let (reads, changes) = (Gather::new(&link), Gather::new(&link));
        let nodes = ArcSwap::from_pointee(nodes);
        Self { link, waiters, turn: AtomicUsize::new(0), nodes, reads, changes, direct: tokio::sync::Mutex::default() }
    }

    /// Asks all hosts of the recipe, one a moment after the other, and takes the first that leads to a connection.
    pub(crate) async fn open(recipe: &Recipe, waits: bool, runtime: &Runtime) -> Result<Self, FredError> {
        let recipes = recipe.hosts().into_iter().map(|host| recipe.asking(host)).collect();
        let (recipe, link) = open_first(recipes, runtime).await?;
        Self::complete(&recipe, link, waits).await
    }

    /// By this very recipe.
    pub(super) async fn open_once(recipe: &Recipe, waits: bool) -> Result<Self, FredError> {
        Self::complete(recipe, recipe.open().await?, waits).await
    }

    async fn complete(recipe: &Recipe, link: Link, waits: bool) -> Result<Self, FredError> {
        let mut waiters = Vec::new();
        for _ in 0..if waits { WAITERS } else { 0 } {
            waiters.push(recipe.open().await?);
        }
        Ok(Self::new(link, waiters))
    }

    pub(crate) fn open_lazily(recipe: &Recipe, waits: bool) -> Self {
        let waiters = (0..if waits { WAITERS } else { 0 }).map(|_| recipe.open_lazily()).collect();
        Self::new(recipe.open_lazily(), waiters)
    }

    /// Around a client that somebody else drives.
    pub(crate) fn around(fred: fred::clients::Client) -> Self {
        Self::new(Link::foreign(fred), Vec::new())
    }

    pub(super) fn nodes(&self) -> Arc<Nodes> {
        self.nodes.load_full()
    }

    /// Takes over what the library knows by now of who owns what; tells who owns nothing any more.
    pub(super) fn look_around(&self) -> Vec<Arc<Node>> {
        let before = self.nodes();
        self.take_over(&before, current_nodes(&self.link, Some(&before)))
    }

    /// As [`look_around`](Self::look_around), for a connection that was made right now and is not in the library's books yet.
    pub(super) fn look_at(&self, server: &Server) -> Vec<Arc<Node>> {
        if self.link.fred.is_clustered() {
            return self.look_around();
        }
        let before = self.nodes();
        self.take_over(&before, Nodes::single(Some(server.clone()), Some(&before)))
    }

    /// Every host there is to ask, known from the address or from the cluster.
    pub(super) fn hosts(&self, recipe: &Recipe) -> Vec<Server> {
        let mut hosts = recipe.hosts();
        if recipe.is_clustered() {
            for server in self.nodes().all.iter().filter_map(|node| node.server.clone()) {
                if !hosts.contains(&server) {
                    hosts.push(server);
                }
            }
        }
        hosts
    }

    fn take_over(&self, before: &Nodes, now: Nodes) -> Vec<Arc<Node>> {
        let now = Arc::new(now);
        self.nodes.store(now.clone());
        let is_gone = |node: &&Arc<Node>| node.server.as_ref().is_some_and(|server| now.find(server).is_none());
        before.all.iter().filter(is_gone).cloned().collect()
    }

    /// The next connection for a write that waits for replicas; the common one when there are none of their own.
    pub(super) fn waiter(&self) -> &Link {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.waiters.get(turn % self.waiters.len().max(1)).unwrap_or(&self.link)
    }
}

fn current_nodes(link: &Link, before: Option<&Nodes>) -> Nodes {
    if link.fred.is_clustered() {
        let routing = link.fred.cached_cluster_state();
        routing.map_or_else(Nodes::none, |routing| Nodes::clustered(&routing, before))
    } else {
        Nodes::single(link.fred.active_connections().into_iter().next(), before)
    }
}

/// What all clones of a client share.
pub(super) struct Shared {
    /// `None` when the connections belong to the application.
    pub(super) recipe: Option<Recipe>,
    pub(super) settings: Settings,
    /// The tokio runtime in which the client was made, if it was made in one.
    pub(super) home: Option<Handle>,
    current: ArcSwap<Wire>,
    gate: Mutex<Gate>,
    pub(super) pushes: Pushes,
    /// Dropped with the last clone; every task listens.
    pub(super) alive: watch::Sender<()>,
}

impl Shared {
    pub(super) fn new(recipe: Option<Recipe>, settings: Settings, wire: Wire) -> Arc<Self> {
        let (alive, _) = watch::channel(());
        let pushes = Pushes::default();
        let current = ArcSwap::from_pointee(wire);
        Arc::new(Self { recipe, settings, home: Handle::try_current().ok(), current, gate: Mutex::default(), pushes, alive })
    }

    pub(super) fn wire(&self) -> Arc<Wire> {
        self.current.load_full()
    }

    /// To look at, not to keep.
    pub(super) fn peek(&self) -> Guard<Arc<Wire>> {
        self.current.load()
    }

    pub(super) fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.settings.runtime.monotonic()
    }

    /// Puts `fresh` in the place of `old`; not if somebody else did that already.
    pub(super) fn replace(self: &Arc<Self>, old: &Weak<Wire>, fresh: Wire) -> Option<Arc<Wire>> {
        let current = self.current.load_full();
        if !std::ptr::eq(Arc::as_ptr(&current), old.as_ptr()) {
            return None;
        }
        fresh.nodes.store(Arc::new(fresh.nodes().renewed(&current.nodes())));
        let fresh = Arc::new(fresh);
        let found = self.current.compare_and_swap(&current, fresh.clone());
        Arc::ptr_eq(&found, &current).then_some(fresh)
    }

    pub(super) fn went_down(&self, node: &Node, detail: &str) {
        node.availability.fails(&self.settings.events, &Told(node, detail));
    }

    pub(super) fn healed(&self, node: &Node, detail: &str) {
        node.availability.answers(&self.settings.events, &Told(node, detail));
    }
}
