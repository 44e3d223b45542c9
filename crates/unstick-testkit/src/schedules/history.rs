//! What happened, and whether it may happen.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Aim, Tag, Versioned};

/// What the schedules came to. A history without hits, overtaken loads or notices proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls.
    pub reads: u64,
    /// Calls answered with a value that was there when they started.
    pub hits: u64,
    /// Calls answered by a load that another call had caused.
    pub joined: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Loads.
    pub loads: u64,
    /// Loads that answered with a value that had been replaced meanwhile: the stale sets that must not stay.
    pub overtaken: u64,
    /// Loads that answered when their caller had its answer already, or had given up.
    pub background: u64,
    /// Invalidations.
    pub invalidations: u64,
    /// Notices applied on other nodes.
    pub notices: u64,
    /// Values refused, as the cache itself counts.
    pub refused: u64,
}

impl Counts {
    /// Adds another schedule's.
    pub fn add(&mut self, other: &Self) {
        let Self { reads, hits, joined, failed, loads, overtaken, background, invalidations, notices, refused } = other;
        self.reads += reads;
        self.hits += hits;
        self.joined += joined;
        self.failed += failed;
        self.loads += loads;
        self.overtaken += overtaken;
        self.background += background;
        self.invalidations += invalidations;
        self.notices += notices;
        self.refused += refused;
    }
}

/// Records a schedule, and judges it. Clones are the same history.
#[derive(Clone)]
pub struct History(Arc<Mutex<Inner>>);

struct Inner {
    /// The source: the newest of each key.
    newest: Vec<Versioned>,
    /// Who caused each load, and whether it has answered.
    loads: Vec<LoadSeen>,
    invalidations: Vec<Invalidation>,
    nodes: Vec<Floors>,
    /// How many notices of each kind a node has applied.
    applied: HashMap<(usize, Aim), usize>,
    /// Calls that have their answer.
    ended: HashSet<u64>,
    counts: Counts,
    failure: Option<String>,
}

struct LoadSeen {
    read: u64,
    answered: bool,
}

struct Invalidation {
    node: usize,
    aim: Aim,
    /// What was committed when it started.
    committed: Vec<u64>,
}

/// What a node may no longer serve.
#[derive(Debug, Clone, Default)]
struct Floors {
    keys: HashMap<u64, u64>,
    tags: HashMap<(Tag, u64), u64>,
}

impl Floors {
    fn raise(&mut self, aim: Aim, committed: &[u64]) {
        for (key, version) in (0..).zip(committed) {
            let floor = match aim {
                Aim::Key(only) if only != key => continue,
                Aim::Key(_) | Aim::All => self.keys.entry(key).or_default(),
                Aim::Tag(tag) => self.tags.entry((tag, key)).or_default(),
            };
            *floor = (*floor).max(*version);
        }
    }

    /// The oldest version that may be served in place of `value`.
    fn of(&self, value: &Versioned) -> u64 {
        let of_tags = value.tags().map(|tag| self.tags.get(&(tag, value.key)).copied().unwrap_or(0));
        let of_key = self.keys.get(&value.key).copied().unwrap_or(0);
        of_tags.into_iter().fold(of_key, u64::max)
    }
}

/// A read that has started.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) read: u64,
    node: usize,
    floors: Floors,
    /// Loads that had answered when it started.
    before: Vec<bool>,
}

impl History {
    pub(super) fn new(nodes: usize, keys: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            newest: (0..keys).map(|key| Versioned { key, version: 0, group: 0, load: 0 }).collect(),
            loads: Vec::new(),
            invalidations: Vec::new(),
            nodes: vec![Floors::default(); nodes],
            applied: HashMap::new(),
            ended: HashSet::new(),
            counts: Counts::default(),
            failure: None,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node has applied another node's notice: what it replaced is not served there any more. Of several equal notices
    /// under way it is not known which one this is; the oldest is assumed.
    pub fn notice_applied(&self, node: usize, aim: Aim) {
        let mut inner = self.inner();
        inner.counts.notices += 1;
        let nth = inner.applied.entry((node, aim)).or_default();
        *nth += 1;
        let nth = *nth - 1;
        let committed =
            inner.invalidations.iter().filter(|seen| seen.node != node && seen.aim == aim).nth(nth).map(|seen| seen.committed.clone());
        if let Some(committed) = committed {
            inner.nodes[node].raise(aim, &committed);
        }
    }

    pub(super) fn started(&self, node: usize) -> Reading {
        let mut inner = self.inner();
        inner.counts.reads += 1;
        let before = inner.loads.iter().map(|load| load.answered).collect();
        Reading { read: inner.counts.reads, node, floors: inner.nodes[node].clone(), before }
    }

    pub(super) fn ended(&self, reading: &Reading, value: Option<Versioned>) {
        let mut inner = self.inner();
        inner.ended.insert(reading.read);
        let Some(value) = value else {
            inner.counts.failed += 1;
            return;
        };
        let number = usize::try_from(value.load).unwrap_or(usize::MAX);
        let own = inner.loads.get(number).is_some_and(|load| load.read == reading.read);
        if reading.before.get(number) == Some(&true) {
            inner.counts.hits += 1;
        } else if !own {
            inner.counts.joined += 1;
        }
        let floor = reading.floors.of(&value);
        if value.version < floor {
            let Versioned { key, version, .. } = value;
            let node = reading.node;
            inner.fail(format!("node {node} served version {version} of key {key}; {floor} was committed and the old invalidated before"));
        }
    }

    /// A load takes its snapshot.
    pub(super) fn snapshot(&self, read: u64, key: u64) -> Versioned {
        let mut inner = self.inner();
        inner.counts.loads += 1;
        let load = inner.loads.len() as u64;
        inner.loads.push(LoadSeen { read, answered: false });
        Versioned { load, ..inner.newest_of(key) }
    }

    pub(super) fn answered(&self, value: &Versioned) {
        let inner = &mut *self.inner();
        if let Some(load) = usize::try_from(value.load).ok().and_then(|load| inner.loads.get_mut(load)) {
            load.answered = true;
            inner.counts.background += u64::from(inner.ended.contains(&load.read));
        }
        if inner.newest_of(value.key).version > value.version {
            inner.counts.overtaken += 1;
        }
    }

    /// Commits a new version, and hands back the one it replaced.
    pub(super) fn commit(&self, key: u64, group: u64) -> Versioned {
        let mut inner = self.inner();
        let old = inner.newest_of(key);
        if let Some(newest) = inner.newest.iter_mut().find(|newest| newest.key == key) {
            newest.version += 1;
            newest.group = group;
        }
        old
    }

    pub(super) fn invalidation_started(&self, node: usize, aim: Aim) -> usize {
        let mut inner = self.inner();
        inner.counts.invalidations += 1;
        let committed = inner.newest.iter().map(|newest| newest.version).collect();
        inner.invalidations.push(Invalidation { node, aim, committed });
        inner.invalidations.len() - 1
    }

    pub(super) fn invalidation_finished(&self, number: usize) {
        let mut inner = self.inner();
        let Invalidation { node, aim, committed } = &inner.invalidations[number];
        let (node, aim, committed) = (*node, *aim, committed.clone());
        inner.nodes[node].raise(aim, &committed);
    }

    /// At the end: only the newest will do.
    pub(super) fn final_value(&self, node: usize, value: &Versioned) {
        let mut inner = self.inner();
        let newest = inner.newest_of(value.key).version;
        if value.version != newest {
            let Versioned { key, version, .. } = value;
            inner.fail(format!("a stale value survived: node {node} has version {version} of key {key}, the newest is {newest}"));
        }
    }

    pub(super) fn fail(&self, reason: String) {
        self.inner().fail(reason);
    }

    /// Counts, or the first thing that must not happen.
    pub(super) fn verdict(&self, refused: u64) -> Result<Counts, String> {
        let inner = self.inner();
        match &inner.failure {
            Some(reason) => Err(reason.clone()),
            None => Ok(Counts { refused, ..inner.counts }),
        }
    }
}

impl Inner {
    fn newest_of(&self, key: u64) -> Versioned {
        self.newest.iter().find(|newest| newest.key == key).copied().unwrap_or(Versioned { key, version: 0, group: 0, load: 0 })
    }

    fn fail(&mut self, reason: String) {
        self.failure.get_or_insert(reason);
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner().counts.fmt(f)
    }
}
