use std::{fmt, sync::Arc, time::Duration};

use super::{Aim, Counts, History, Setup, Source, Subject, Subjects, Tag, Versioned};
use crate::sim::{Handle, Sim, Trace};

const HOUR: Duration = Duration::from_secs(3600);

/// As loads take seconds in the family that has it, early refreshes are likely.
const MINUTE: Duration = Duration::from_secs(60);

/// Long enough for loads, notices, leases and retries to come to an end.
const QUIET: Duration = Duration::from_secs(15);

/// What a schedule is about: what happens while something is being loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// The key is invalidated.
    Key,
    /// A tag that the key implies is invalidated.
    Tag,
    /// A tag is invalidated that only the value tells.
    ValueTag,
    /// Everything is.
    Clear,
    /// Any of these, while a value that is still served is refreshed early.
    EarlyRefresh,
    /// Any of these, while a load goes on whose caller has given up or was given the old value.
    TimedOut,
    /// Any of these, on another node.
    Remote,
    /// Any of these, on a node of several that share a level and load once for all of them.
    Lease,
    /// Any of these, on another node, whose notices get lost.
    Gap,
}

impl Family {
    /// Each of them.
    pub const ALL: [Self; 9] =
        [Self::Key, Self::Tag, Self::ValueTag, Self::Clear, Self::EarlyRefresh, Self::TimedOut, Self::Remote, Self::Lease, Self::Gap];

    /// Whether schedules are played on more than one node.
    #[must_use]
    pub fn is_distributed(self) -> bool {
        matches!(self, Self::Remote | Self::Lease | Self::Gap)
    }

    fn setup(self, at: &Handle, keys: u64) -> Setup {
        let nodes = if self.is_distributed() { 2 + at.below(2) } else { 1 };
        let timed = self == Self::TimedOut;
        let short = (timed && at.once_in(2)) || (self == Self::Lease && at.once_in(4));
        Setup {
            nodes,
            level: self == Self::Lease,
            flaky: matches!(self, Self::Remote | Self::Lease) && at.once_in(2),
            loses_notices: self == Self::Gap,
            // Long, what survives cannot hide behind its end. Short, an old value is there while a load runs.
            ttl: match self {
                Self::EarlyRefresh => MINUTE,
                _ if short => Duration::from_millis(60),
                _ => HOUR,
            },
            stale_if_error: timed || short,
            early_refresh: self == Self::EarlyRefresh,
            soft_timeout: timed.then_some(Duration::from_millis(20)),
            hard_timeout: timed.then_some(Duration::from_millis(40)),
            history: History::new(nodes, keys),
        }
    }

    fn aim(self, at: &Handle, old: &Versioned) -> Aim {
        let of_kind = |kind| match kind {
            0 => Aim::Key(old.key),
            1 => Aim::Tag(Tag::of_key(old.key)),
            2 => Aim::Tag(Tag::Group(old.group)),
            _ => Aim::All,
        };
        match self {
            Self::Key => of_kind(0),
            Self::Tag => of_kind(1),
            Self::ValueTag => of_kind(2),
            Self::Clear => of_kind(3),
            _ => of_kind(at.below(4)),
        }
    }

    /// Plays the schedule of a seed.
    pub(super) fn play(self, subjects: &impl Subjects, seed: u64) -> (Result<Counts, String>, Trace) {
        let sim = Sim::new(seed);
        let at = sim.handle();
        let keys = 1 + at.below(2) as u64;
        let setup = self.setup(&at, keys);
        let slow = match self {
            Self::TimedOut => 100,
            Self::EarlyRefresh => 2000,
            _ => [0, 0, 40][at.below(3)],
        };
        let refused = sim.run(async {
            let subject = Arc::new(subjects.open(&at, &setup).await);
            let (history, nodes) = (setup.history.clone(), setup.nodes);
            let fails = if setup.stale_if_error { 8 } else { 30 };
            let source = Source::new(at.clone(), history.clone(), slow, fails);
            let stage = Stage { at: at.clone(), subject: subject.clone(), source, history, nodes, keys, family: self };
            stage.act().await;
            at.sleep(QUIET).await;
            stage.finish().await;
            subject.refused()
        });
        (setup.history.verdict(refused), sim.trace())
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

struct Stage<S> {
    at: Handle,
    subject: Arc<S>,
    source: Source,
    history: History,
    nodes: usize,
    keys: u64,
    family: Family,
}

impl<S: Subject> Stage<S> {
    /// Readers and writers, at the same time.
    async fn act(&self) {
        let mut actors = Vec::new();
        for _ in 0..2 + self.at.below(2) {
            let (this, rounds) = (self.copy(), 2 + self.at.below(3));
            actors.push(self.at.spawn(async move {
                for _ in 0..rounds {
                    this.source.pause().await;
                    this.read(this.at.below(this.nodes), this.at.below(2) as u64 % this.keys).await;
                }
            }));
        }
        for _ in 0..1 + self.at.below(2) {
            let (this, rounds) = (self.copy(), 1 + self.at.below(3));
            actors.push(self.at.spawn(async move {
                for _ in 0..rounds {
                    this.source.pause().await;
                    this.write(this.at.below(this.nodes), this.at.below(2) as u64 % this.keys).await;
                }
            }));
        }
        for actor in actors {
            actor.await;
        }
    }

    async fn read(&self, node: usize, key: u64) -> Option<Versioned> {
        let reading = self.history.started(node);
        let load = self.source.load(&reading, key);
        let value = self.subject.get_or_load(node, key, load).await.ok();
        self.history.ended(&reading, value);
        value
    }

    /// Writes, invalidates, and sometimes looks at once whether the own write is there.
    async fn write(&self, node: usize, key: u64) {
        let old = self.source.write(key).await;
        let aim = self.family.aim(&self.at, &old);
        let number = self.history.invalidation_started(node, aim);
        self.subject.invalidate(node, aim).await;
        self.history.invalidation_finished(number);
        if self.at.once_in(2) {
            self.read(node, key).await;
        }
    }

    /// Every node has the newest of everything: loaded, and then from the cache.
    async fn finish(&self) {
        for node in 0..self.nodes {
            for key in 0..self.keys {
                let mut good = 0;
                for _ in 0..20 {
                    match self.read(node, key).await {
                        Some(value) => {
                            self.history.final_value(node, &value);
                            good += 1;
                        }
                        None => self.at.sleep(Duration::from_secs(1)).await, // the load failed; it may not be tried again at once
                    }
                    if good == 2 {
                        break;
                    }
                }
                if good < 2 {
                    self.history.fail(format!("node {node} did not come back with key {key}"));
                }
            }
        }
    }

    fn copy(&self) -> Self {
        Self { at: self.at.clone(), subject: self.subject.clone(), source: self.source.clone(), history: self.history.clone(), ..*self }
    }
}
