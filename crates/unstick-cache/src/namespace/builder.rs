//! Settings of a namespace.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, RwLock},
    time::Duration,
};

use tokio::sync::watch;
use unstick_core::{Bus, ConfigError, Events, Level, Pending, Runtime};

use super::{
    Namespace, listener, retry,
    retry::Retries,
    shared::{Shared, hash_of},
    wakes::Wakes,
};
use crate::{
    applied::Applied,
    distrust::Distrust,
    entry::nanos,
    erased::{AnyBus, AnyLevel},
    generations::Generations,
    level::LevelSide,
    stats::NamespaceCounters,
    sync::{AtomicU64, Mutex},
};

/// Settings of a [`Namespace`].
#[derive(Clone)]
#[must_use]
pub struct NamespaceBuilder {
    name: String,
    level: Option<AnyLevel>,
    bus: Option<AnyBus>,
    runtime: Runtime,
    events: Events,
    level_deadline: Duration,
    level_pause: Duration,
    bus_deadline: Duration,
    alive_for: Duration,
    clamp: Duration,
    stripes: u32,
}

impl NamespaceBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            level: None,
            bus: None,
            runtime: Runtime::tokio(),
            events: Events::default(),
            level_deadline: Duration::from_millis(500),
            level_pause: Duration::from_secs(1),
            bus_deadline: Duration::from_millis(500),
            alive_for: Duration::from_secs(3),
            clamp: Duration::from_secs(1),
            stripes: 1 << 16,
        }
    }

    /// The shared level, which [`shared`](crate::CacheBuilder::shared) caches use. Default: none.
    pub fn level(mut self, level: impl Level) -> Self {
        self.level = Some(Arc::new(level));
        self
    }

    /// The bus for notices between nodes. Default: none; every value in the process is then trusted for the
    /// [`clamp`](Self::clamp) only.
    pub fn bus(mut self, bus: impl Bus) -> Self {
        self.bus = Some(Arc::new(bus));
        self
    }

    /// Clocks, timers and tasks. Default: [`Runtime::tokio`]. The bus must have been given the same one.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Where events go. Default: to `tracing` alone.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// The longest wait for the shared level, in a load or an invalidation. Default: 500 ms.
    pub const fn level_deadline(mut self, deadline: Duration) -> Self {
        self.level_deadline = deadline;
        self
    }

    /// How long the shared level is left alone after it failed; loads go to the source meanwhile. Default: 1 s.
    pub const fn level_pause(mut self, pause: Duration) -> Self {
        self.level_pause = pause;
        self
    }

    /// The longest wait for the bus to confirm a notice. Default: 500 ms.
    pub const fn bus_deadline(mut self, deadline: Duration) -> Self {
        self.bus_deadline = deadline;
        self
    }

    /// How long a sign of life of the bus is good for: how old a value can get after another node's invalidation, while nobody knows
    /// that notices stay away. Default: 3 s; a bus gives a sign about every second. More saves reloads on busy or distant servers.
    pub const fn alive_for(mut self, time: Duration) -> Self {
        self.alive_for = time;
        self
    }

    /// How long a value in the process is trusted after it was read while notices stay away, and always without a bus.
    /// Default: 1 s. Zero asks the level or the source every time.
    pub const fn clamp(mut self, time: Duration) -> Self {
        self.clamp = time;
        self
    }

    /// Over how many numbers keys are spread, 8 bytes each; rounded up to a power of two. Keys that share one are invalidated together:
    /// more save loads where invalidations are many. Default: 65 536. Tags have an eighth of it.
    pub const fn stripes(mut self, stripes: u32) -> Self {
        self.stripes = stripes;
        self
    }

    /// Builds it, and begins to listen to the bus; waits a moment for the bus to answer. If it does not, listening begins as soon
    /// as it does, and until then values are trusted for the [`clamp`](Self::clamp).
    ///
    /// # Errors
    /// When a setting is out of range, or two of them contradict each other.
    pub async fn build(self) -> Result<Namespace, ConfigError> {
        let shared = self.shared(0)?;
        if shared.bus.is_some() {
            let first = listener::first(&shared).await;
            let listen = listener::run(Arc::downgrade(&shared), shared.alive.subscribe(), first);
            shared.runtime.spawn(Box::pin(listen));
        }
        if shared.bus.is_some() || shared.level.is_some() {
            let repeat = retry::run(Arc::downgrade(&shared), shared.alive.subscribe());
            shared.runtime.spawn(Box::pin(repeat));
        }
        Ok(Namespace { shared })
    }

    /// `current_until`: from the start, notices count as arrived until then.
    pub(super) fn shared(self, current_until: u64) -> Result<Arc<Shared>, ConfigError> {
        let Self { name, level, bus, runtime, events, level_deadline, level_pause, bus_deadline, alive_for, clamp, stripes } = self;
        let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
            return Err(ConfigError::new("a namespace's name has 1 to 64 letters, digits, `-`, `_` and `.`"));
        }
        if level_deadline.is_zero() || bus_deadline.is_zero() {
            return Err(ConfigError::new("`level_deadline` and `bus_deadline` must be more than zero: nothing answers in no time"));
        }
        if bus.is_some() && alive_for < Duration::from_secs(2) {
            return Err(ConfigError::new("`alive_for` must be at least 2 s with a `bus`: it gives a sign of life about every second"));
        }
        if !(16..=1 << 26).contains(&stripes) {
            return Err(ConfigError::new("`stripes` must be from 16 to 67108864"));
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| ConfigError::new("the operating system gives no random bytes"))?;
        let origin = u64::from_be_bytes(random);
        let side = level.map(|level| LevelSide::new(level, level_deadline, level_pause, runtime.clone(), events.clone(), origin));
        let (alive, _) = watch::channel(());
        Ok(Arc::new(Shared {
            hash: hash_of(&name),
            name: name.into(),
            runtime,
            events,
            generations: Generations::new(stripes, stripes / 8),
            level: side,
            bus,
            bus_deadline,
            distrust: Distrust::default(),
            applied: Applied::default(),
            wakes: Wakes::default(),
            retries: Retries::default(),
            pending: Pending::default(),
            counters: NamespaceCounters::default(),
            caches: Mutex::new(HashSet::new()),
            hooks: RwLock::new(Vec::new()),
            alive_for: nanos(alive_for),
            clamp: nanos(clamp),
            current_until: AtomicU64::new(current_until),
            keeps: AtomicU64::new(0),
            origin,
            number: AtomicU64::new(0),
            alive,
        }))
    }
}

impl fmt::Debug for NamespaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, level, bus, level_deadline, level_pause, bus_deadline, alive_for, clamp, stripes, .. } = self;
        f.debug_struct("NamespaceBuilder")
            .field("name", name)
            .field("level", level)
            .field("bus", bus)
            .field("level_deadline", level_deadline)
            .field("level_pause", level_pause)
            .field("bus_deadline", bus_deadline)
            .field("alive_for", alive_for)
            .field("clamp", clamp)
            .field("stripes", stripes)
            .finish_non_exhaustive()
    }
}
