//! Where the buses of all nodes meet.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use unstick_core::{
    Runtime,
    bus::{Beats, Pace},
};

use super::{
    MemoryBus, Weather,
    line::{Dice, Line, Sky},
};

/// How a node is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    /// Down, and it says so.
    Cut,
    /// Down, and nothing says so.
    Silent,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) runtime: Runtime,
    pub(super) beats: Beats,
    pub(super) lines: Vec<Line>,
    pub(super) link: Link,
    pub(super) wake: Arc<tokio::sync::Notify>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) nodes: BTreeMap<u64, Node>,
    /// For nodes and subscriptions to come.
    pub(super) link: Link,
    pub(super) sky: Sky,
    pub(super) dice: Dice,
    pub(super) born: u64,
    pub(super) subscribed: u64,
}

impl State {
    /// Sends a message of `from` to all others.
    pub(super) fn spread(&mut self, from: u64, message: &Bytes) {
        for (_, node) in self.nodes.iter_mut().filter(|(id, node)| **id != from && node.link == Link::Up) {
            let now = node.runtime.monotonic();
            for line in &mut node.lines {
                line.send(message.clone(), now, &mut self.dice);
                line.deliver(now);
            }
            if node.lines.iter().any(|line| line.due().is_some()) {
                node.wake.notify_one();
            }
        }
    }

    /// What is due at a node; when something is due again.
    pub(super) fn turn(&mut self, id: u64) -> Option<(Runtime, Duration)> {
        let node = self.nodes.get_mut(&id)?;
        let now = node.runtime.monotonic();
        node.lines.retain(|line| !line.feed.is_abandoned());
        for line in &mut node.lines {
            line.deliver(now);
            if let Some(echo) = line.feed.with(|listener| listener.echo(now))
                && node.link == Link::Up
            {
                line.send_echo(echo, now, &mut self.dice);
                line.deliver(now);
            }
            line.feed.with(|listener| listener.tick(now));
        }
        let wakes = node.lines.iter().flat_map(|line| [Some(line.feed.with(|listener| listener.wake_at())), line.due()]).flatten();
        let wake = wakes.min().map_or(node.beats.wake_at(), |wake| wake.min(node.beats.wake_at()));
        let wait = wake.saturating_sub(now);
        let (runtime, beat) = (node.runtime.clone(), node.beats.due(now).filter(|_| node.link == Link::Up));
        if let Some(beat) = beat {
            self.spread(id, &beat);
        }
        Some((runtime, wait))
    }
}

pub(super) struct Hub {
    pub(super) state: Mutex<State>,
    pub(super) pace: Pace,
    pub(super) queue: usize,
}

impl Hub {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the buses of all nodes meet. Cheap to clone. See the [module docs](super).
#[derive(Clone)]
pub struct MemoryHub(pub(super) Arc<Hub>);

impl Default for MemoryHub {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryHub {
    /// In fair weather, with the usual pace and queues.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// To choose pace, queues and seed.
    pub fn builder() -> MemoryHubBuilder {
        MemoryHubBuilder { pace: Pace::default(), queue: 4096, seed: 0 }
    }

    /// A bus for one node, whose times are those of `runtime`. It works until the last clone of it is dropped.
    #[must_use]
    pub fn bus(&self, runtime: &Runtime) -> MemoryBus {
        MemoryBus::join(self, runtime)
    }

    /// What becomes of messages, for all nodes, those to come included.
    #[must_use]
    pub fn weather(&self) -> Weather {
        Weather { hub: self.clone(), only: None }
    }
}

impl fmt::Debug for MemoryHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryHub").field("nodes", &self.0.state().nodes.len()).finish()
    }
}

/// See [`MemoryHub::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MemoryHubBuilder {
    pace: Pace,
    queue: usize,
    seed: u64,
}

impl MemoryHubBuilder {
    /// How often signs of life are given; a beat per second by default.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// How many events may wait in a subscription before they are dropped for a gap; 4096 by default.
    pub fn queue(mut self, events: usize) -> Self {
        self.queue = events;
        self
    }

    /// Decides the order in which [`Weather::reorder_next`] lets messages arrive; 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Builds it.
    #[must_use]
    pub fn build(self) -> MemoryHub {
        let state = State { nodes: BTreeMap::new(), link: Link::Up, sky: Sky::default(), dice: Dice(self.seed), born: 0, subscribed: 0 };
        MemoryHub(Arc::new(Hub { state: Mutex::new(state), pace: self.pace, queue: self.queue }))
    }
}
