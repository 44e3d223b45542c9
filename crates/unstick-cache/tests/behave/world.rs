//! Nodes over one level and one bus in memory, on a simulation's clocks and tasks, and a source that counts.

use std::{
    fmt,
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use tokio::sync::watch;
use unstick_cache::{CacheBuilder, LoadError, Namespace, NamespaceBuilder};
use unstick_core::{BoxFuture, Events, Runtime, RuntimeOps, Timestamp};
use unstick_memory::{MemoryBus, MemoryHub, MemoryLevel};
use unstick_testkit::{
    faults::{FaultBus, FaultLevel},
    observe::EventLog,
    sim::{Handle, Sim, Task},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Plays a test in several orders of steps.
pub(crate) fn play<T: Future<Output = ()>>(test: impl Fn(Handle) -> T) {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        sim.run(test(sim.handle()));
    }
}

pub(crate) fn play_once<T: Future<Output = ()>>(test: impl Fn(Handle) -> T) {
    let sim = Sim::new(1);
    sim.run(test(sim.handle()));
}

pub(crate) struct World {
    pub(crate) at: Handle,
    pub(crate) level: MemoryLevel,
    pub(crate) hub: MemoryHub,
}

pub(crate) struct Node {
    pub(crate) namespace: Namespace,
    pub(crate) level: FaultLevel<MemoryLevel>,
    pub(crate) bus: FaultBus<MemoryBus>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) tasks: Mortal,
}

impl World {
    pub(crate) fn new(at: &Handle) -> Self {
        let level = MemoryLevel::builder().runtime(at.runtime()).build();
        Self { at: at.clone(), level, hub: MemoryHub::builder().seed(at.seed()).build() }
    }

    /// A node with level and bus.
    pub(crate) async fn node(&self) -> Node {
        self.node_with(|builder, _| builder).await
    }

    /// A node with other settings.
    pub(crate) async fn node_with(&self, set: impl FnOnce(NamespaceBuilder, &FaultBus<MemoryBus>) -> NamespaceBuilder) -> Node {
        let tasks = Mortal::new(self.at.runtime());
        let runtime = tasks.runtime();
        let log = Arc::new(EventLog::default());
        let level = FaultLevel::new(self.level.clone(), &self.at.runtime());
        let bus = FaultBus::new(self.hub.bus(&self.at.runtime()), &self.at.runtime());
        let builder = Namespace::builder("shop").runtime(runtime).events(Events::new("node").observer(log.clone()));
        let builder = builder.stripes(1024).level(level.clone()).bus(bus.clone());
        let namespace = set(builder, &bus).build().await.expect("a namespace");
        // the first sign of life of its bus
        self.at.sleep(SECOND).await;
        Node { namespace, level, bus, log, tasks }
    }

    pub(crate) async fn nodes(&self, count: usize) -> Vec<Node> {
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(self.node().await);
        }
        nodes
    }

    pub(crate) fn source(&self) -> Source {
        Source::new(&self.at, ms(50))
    }
}

impl Node {
    /// An unjittered cache that uses the level.
    pub(crate) fn shared(&self) -> CacheBuilder<u64, u64> {
        self.namespace.cache("things").ttl(HOUR).jitter(0.0).shared()
    }
}

/// A node without level and bus, for which nobody else can change anything.
pub(crate) async fn alone(at: &Handle) -> Namespace {
    alone_with(at, |builder| builder).await
}

pub(crate) async fn alone_with(at: &Handle, set: impl FnOnce(NamespaceBuilder) -> NamespaceBuilder) -> Namespace {
    let builder = Namespace::builder("shop").runtime(at.runtime()).stripes(1024).clamp(24 * HOUR);
    set(builder).build().await.expect("a namespace")
}

/// What a load does once it has read and taken its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well = 0,
    Fails = 1,
    Panics = 2,
    PanicsAtOnce = 3,
    Hangs = 4,
}

/// Where values come from: one number, the same for all keys.
#[derive(Clone)]
pub(crate) struct Source {
    at: Handle,
    took: Duration,
    value: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    mood: Arc<AtomicUsize>,
}

impl Source {
    pub(crate) fn new(at: &Handle, took: Duration) -> Self {
        let number = || Arc::new(AtomicUsize::new(0));
        let (running, most, mood) = (number(), number(), number());
        Self { at: at.clone(), took, value: Arc::new(AtomicU64::new(1)), loads: Arc::default(), running, most, mood }
    }

    pub(crate) fn taking(mut self, took: Duration) -> Self {
        self.took = took;
        self
    }

    pub(crate) fn set(&self, value: u64) {
        self.value.store(value, Ordering::SeqCst);
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.mood.store(mood as usize, Ordering::SeqCst);
    }

    /// Loads that were started.
    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    /// The most at the same time.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Reads the value, takes its time, and answers.
    pub(crate) fn load(&self) -> impl FnOnce() -> BoxFuture<'static, Result<u64, io::Error>> + Send + 'static {
        let this = self.clone();
        move || {
            this.loads.fetch_add(1, Ordering::SeqCst);
            assert!(this.mood.load(Ordering::SeqCst) != Mood::PanicsAtOnce as usize, "the closure panics");
            Box::pin(async move {
                let value = this.value.load(Ordering::SeqCst);
                let running = Running::new(this.running.clone());
                this.most.fetch_max(running.0.load(Ordering::SeqCst), Ordering::SeqCst);
                this.at.runtime().sleep(this.took).await;
                match this.mood.load(Ordering::SeqCst) {
                    1 => Err(io::Error::other("the source is down")),
                    2 => panic!("the future panics"),
                    4 => std::future::pending().await,
                    _ => Ok(value),
                }
            })
        }
    }
}

struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) type Cache = unstick_cache::Cache<u64, u64>;

/// So many callers at the same time, on their own tasks.
pub(crate) fn callers(at: &Handle, cache: &Cache, source: &Source, count: usize) -> Vec<Task<Result<u64, LoadError>>> {
    let call = || {
        let (cache, source) = (cache.clone(), source.clone());
        at.spawn(async move { cache.get_or_load(7, source.load()).await })
    };
    (0..count).map(|_| call()).collect()
}

pub(crate) async fn all<T>(tasks: Vec<Task<T>>) -> Vec<T> {
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await);
    }
    answers
}

/// A runtime that counts its tasks, and drops them on command, as a process that ends.
#[derive(Clone)]
pub(crate) struct Mortal {
    inner: Runtime,
    round: Arc<watch::Sender<u64>>,
    tasks: Arc<AtomicUsize>,
}

impl Mortal {
    pub(crate) fn new(inner: Runtime) -> Self {
        Self { inner, round: Arc::new(watch::Sender::new(0)), tasks: Arc::default() }
    }

    pub(crate) fn runtime(&self) -> Runtime {
        Runtime::custom(self.clone())
    }

    /// Tasks that have not ended.
    pub(crate) fn alive(&self) -> usize {
        self.tasks.load(Ordering::SeqCst)
    }

    /// Drops all tasks. Later ones live.
    pub(crate) fn kill(&self) {
        self.round.send_modify(|round| *round += 1);
    }
}

impl fmt::Debug for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mortal")
    }
}

impl RuntimeOps for Mortal {
    fn wall(&self) -> Timestamp {
        self.inner.wall()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.inner.sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let (mut killed, running) = (self.round.subscribe(), Running::new(self.tasks.clone()));
        self.inner.spawn(Box::pin(async move {
            let _running = running;
            match select(task, std::pin::pin!(killed.changed())).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        }));
    }
}
