//! Which server owns which slot, and what is known of each.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fred::types::{cluster::ClusterRouting, config::Server};
use unstick_core::{Availability, EngineClock};

use super::watchdog::Silence;

/// One server that takes writes.
#[derive(Debug)]
pub(super) struct Node {
    /// As the library names it; `None` until the first connection of a server that is found through others.
    pub(super) server: Option<Server>,
    /// One of its slots, to send it what has no key.
    pub(super) slot: u16,
    pub(super) clock: Arc<EngineClock>,
    silence: Mutex<Silence>,
    notes: Mutex<Notes>,
    pub(super) availability: Availability,
}

/// What was last told about a server, so that it is not told again and again.
#[derive(Debug, Default)]
pub(super) struct Notes {
    policy: Option<Box<str>>,
    evicted: Option<u64>,
}

impl Notes {
    pub(super) fn policy_is_new(&mut self, policy: &str) -> bool {
        let is_new = self.policy.as_deref() != Some(policy);
        if is_new {
            self.policy = Some(policy.into());
        }
        is_new
    }

    /// Whether keys were dropped since the last look. What was dropped before the first one is nobody's news.
    pub(super) fn evicted_more(&mut self, count: u64) -> bool {
        self.evicted.replace(count).is_some_and(|before| count > before)
    }
}

impl Node {
    pub(super) fn new(server: Option<Server>, slot: u16, clock: Arc<EngineClock>) -> Arc<Self> {
        Arc::new(Self { server, slot, clock, silence: Mutex::default(), notes: Mutex::default(), availability: Availability::default() })
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn silence(&self) -> MutexGuard<'_, Silence> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For messages; holds no credentials.
    pub(super) fn name(&self) -> String {
        name(self.server.as_ref())
    }
}

/// What is told of a server: its name and what became of it. Made only for news.
pub(super) struct Told<'a>(pub(super) &'a Node, pub(super) &'a str);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.name(), self.1)
    }
}

/// Host and port, for messages.
pub(super) fn name(server: Option<&Server>) -> String {
    server.map_or_else(|| "redis".to_owned(), |server| format!("{}:{}", server.host, server.port))
}

/// The servers that take writes, by slot. Without a cluster, one that owns all.
#[derive(Debug)]
pub(super) struct Nodes {
    /// First slot, last slot, owner; ordered.
    ranges: Vec<(u16, u16, Arc<Node>)>,
    pub(super) all: Vec<Arc<Node>>,
}

impl Nodes {
    pub(super) fn single(server: Option<Server>, before: Option<&Self>) -> Self {
        let known = before.and_then(|before| server.as_ref().and_then(|server| before.find(server)));
        let node = known.unwrap_or_else(|| Node::new(server, 0, Arc::default()));
        Self { ranges: vec![(0, SLOTS - 1, node.clone())], all: vec![node] }
    }

    /// A cluster that was not reached yet.
    pub(super) fn none() -> Self {
        Self { ranges: Vec::new(), all: Vec::new() }
    }

    /// From the library's routing table; servers that were there before keep what is known of them.
    pub(super) fn clustered(routing: &ClusterRouting, before: Option<&Self>) -> Self {
        let mut all: Vec<Arc<Node>> = Vec::new();
        let mut ranges: Vec<(u16, u16, Arc<Node>)> = routing
            .slots()
            .iter()
            .map(|range| {
                let is_it = |node: &&Arc<Node>| node.server.as_ref() == Some(&range.primary);
                let node = all.iter().find(is_it).cloned().unwrap_or_else(|| {
                    let known = before.and_then(|before| before.find(&range.primary));
                    // a slot that was moved away must not be the one to ask by
                    let node = match known {
                        Some(known) if known.slot == range.start => known,
                        Some(known) => Node::new(Some(range.primary.clone()), range.start, known.clock.clone()),
                        None => Node::new(Some(range.primary.clone()), range.start, Arc::default()),
                    };
                    all.push(node.clone());
                    node
                });
                (range.start, range.end, node)
            })
            .collect();
        ranges.sort_unstable_by_key(|(start, ..)| *start);
        Self { ranges, all }
    }

    /// The same servers with the same clocks, but nothing owed: for fresh connections.
    pub(super) fn renewed(&self, before: &Self) -> Self {
        let all: Vec<Arc<Node>> = self
            .all
            .iter()
            .map(|node| {
                let known = node.server.as_ref().and_then(|server| before.find(server));
                Node::new(node.server.clone(), node.slot, known.map_or_else(Arc::default, |known| known.clock.clone()))
            })
            .collect();
        let position = |node: &Arc<Node>| self.all.iter().position(|other| Arc::ptr_eq(node, other));
        let ranges = self.ranges.iter().filter_map(|(start, end, node)| Some((*start, *end, all.get(position(node)?)?.clone()))).collect();
        Self { ranges, all }
    }

    pub(super) fn find(&self, server: &Server) -> Option<Arc<Node>> {
        self.all.iter().find(|node| node.server.as_ref() == Some(server)).cloned()
    }

    /// `None`: nobody owns it, as far as is known.
    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        let at = self.ranges.partition_point(|(_, end, _)| *end < slot);
        self.ranges.get(at).filter(|(start, ..)| *start <= slot).map(|(.., node)| node)
    }
}

const SLOTS: u16 = 16384;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_owner_is_the_one_whose_range_it_is_in(bounds in proptest::collection::btree_set(0u16..16384, 2..20), slot in 0u16..16384) {
            let bounds: Vec<u16> = bounds.into_iter().collect();
            let node = |start: u16| Node::new(Some(Server::new(format!("n{start}"), 1)), start, Arc::default());
            // every other gap has no owner
            let ranges: Vec<_> = bounds.windows(2).step_by(2).map(|pair| (pair[0], pair[1] - 1, node(pair[0]))).collect();
            let expected = ranges.iter().find(|(start, end, _)| (*start..=*end).contains(&slot)).map(|(start, ..)| *start);
            let nodes = Nodes { all: Vec::new(), ranges };
            prop_assert_eq!(nodes.owner(slot).map(|node| node.slot), expected);
        }
    }

    #[test]
    fn a_server_that_stays_keeps_its_clock() {
        let (a, b) = (Server::new("a", 1), Server::new("b", 1));
        let first = Nodes::single(Some(a.clone()), None);
        let clock = first.all[0].clock.clone();
        assert!(Arc::ptr_eq(&Nodes::single(Some(a), Some(&first)).all[0].clock, &clock));
        assert!(!Arc::ptr_eq(&Nodes::single(Some(b), Some(&first)).all[0].clock, &clock), "another server, another clock");
        assert!(Arc::ptr_eq(&first.renewed(&first).all[0].clock, &clock));
    }
}
