//! Nodes in this process, their weather, and what came of a load.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use unstick_cache::{Namespace, NamespaceBuilder};
use unstick_core::{Event, EventKind, Events, Observer};
use unstick_stories::cache::{
    app::{Node, Settings},
    carts,
    counts::Counts,
    load::{Load, Local, Mix, Nodes, Progress, key},
    source::Source,
};
use unstick_testkit::staleness::{Rules, Verdict};

pub(crate) const NODES: usize = 5;
/// For how long the process's copy is trusted without news, by default.
pub(crate) const CLAMP: Duration = Duration::from_secs(1);
/// For how long a sign of life of the bus is good, by default.
pub(crate) const ALIVE_FOR: Duration = Duration::from_secs(3);

/// When nodes noticed that notices stay away, and that they come again.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<(usize, EventKind, Instant)>>);

impl Observer for Notes {
    fn on_event(&self, event: &Event<'_>) {
        if matches!(event.kind, EventKind::CacheCut | EventKind::CacheRestored) {
            let node = event.instance.parse().unwrap_or(usize::MAX);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((node, event.kind, Instant::now()));
        }
    }
}

impl Notes {
    pub(crate) fn count(&self, kind: EventKind) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|(_, seen, _)| *seen == kind).count()
    }

    /// Nodes that have noticed the latest cut, and not yet its end.
    pub(crate) fn cut(&self) -> usize {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_cut = |node: usize| notes.iter().rfind(|(by, ..)| *by == node).is_some_and(|(_, kind, _)| *kind == EventKind::CacheCut);
        (0..NODES).filter(|node| is_cut(*node)).count()
    }

    /// While a node knows that notices stay away, it trusts its copies for the clamp only.
    fn rules(&self, mut rules: Rules, progress: &Progress, clamp: Duration) -> Rules {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, (node, kind, from)) in notes.iter().enumerate() {
            if *kind == EventKind::CacheCut {
                let next = notes[at + 1..].iter().find(|(other, ..)| other == node);
                let until = next.map_or_else(|| progress.now(), |(.., until)| progress.at(*until));
                rules = rules.within(*node, progress.at(*from), until, clamp);
            }
        }
        rules
    }
}

/// Five nodes in this process.
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) source: Source,
}

impl World {
    /// `join` gives each node its level and its bus.
    pub(crate) async fn new<J: AsyncFn(NamespaceBuilder) -> NamespaceBuilder>(source: Source, settings: Settings, join: J) -> Self {
        let notes = Arc::new(Notes::default());
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let events = Events::new(&number.to_string()).observer(notes.clone());
            let builder = Namespace::builder("shop").events(events).level_deadline(Duration::from_secs(1));
            let namespace = join(builder).await.build().await.unwrap();
            nodes.push(Node::new(&namespace, &source, &settings).unwrap());
        }
        Self { nodes, notes, source }
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut totals = Counts::default();
        self.nodes.iter().for_each(|node| totals.add(&node.counts()));
        totals
    }

    /// A load of at least so many requests, that goes on while `weather` is made. Others may be behind by `bound`.
    pub(crate) async fn run(&self, requests: usize, bound: Duration, weather: impl AsyncFnOnce(&Progress)) -> Outcome {
        self.run_within(requests, bound, CLAMP, weather).await
    }

    /// The same with a bound for the time in which a node knows that notices stay away.
    pub(crate) async fn run_within(
        &self,
        requests: usize,
        bound: Duration,
        cut: Duration,
        weather: impl AsyncFnOnce(&Progress),
    ) -> Outcome {
        let load = Load::start(Arc::new(Local(self.nodes.clone())), Mix::default(), 7);
        let progress = load.progress.clone();
        weather(&progress).await;
        progress.reaches(requests).await;
        let took = progress.now();
        let ledger = load.finish().await;
        // a copy that was read for others on the way may be older by as long as the longest request took
        let longest = ledger.reads().iter().map(|read| read.received - read.sent).max().unwrap_or_default();
        let rules = self.notes.rules(Rules::new(bound + longest), &progress, cut + longest);
        let outcome = Outcome {
            verdict: ledger.judge(&rules),
            totals: self.counts(),
            failed: progress.failed(),
            done: progress.done(),
            took,
            longest,
        };
        self.agrees().await;
        outcome
    }

    /// A notice that is made now reaches every other node.
    pub(crate) async fn hears(&self) {
        let before: Vec<u64> = self.nodes.iter().map(|node| node.counts().notices).collect();
        self.nodes[0].carts.invalidate(&(0, 0)).await;
        let begun = Instant::now();
        while self.nodes.iter().zip(&before).skip(1).any(|(node, before)| node.counts().notices <= *before) {
            assert!(begun.elapsed() < Duration::from_secs(30), "a receiver is dead");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// In the end every node has the newest of everything.
    pub(crate) async fn agrees(&self) {
        let local = Local(self.nodes.clone());
        let begun = Instant::now();
        for (customer, kind) in carts() {
            let newest = self.source.read(customer, kind).await.unwrap();
            for node in 0..self.nodes.len() {
                loop {
                    let reply = local.ask(node, http::Method::GET, format!("/carts/{customer}/{kind}"), String::new()).await.unwrap();
                    if reply.body == newest.to_string() {
                        break;
                    }
                    let waited = begun.elapsed();
                    assert!(
                        waited < Duration::from_secs(30),
                        "node {node} has {} of cart {}, {newest} is newest",
                        reply.body,
                        key((customer, kind))
                    );
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
}

/// What came of a load.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) totals: Counts,
    pub(crate) failed: usize,
    pub(crate) done: usize,
    pub(crate) took: Duration,
    pub(crate) longest: Duration,
}

impl Outcome {
    /// Nothing was too old, and there was something to be seen.
    pub(crate) fn assert_sound(&self, story: &str, requests: usize) {
        let Self { verdict, totals, failed, done, took, longest } = self;
        let mut told = String::new();
        let _ = write!(
            told,
            "{story}: {done} requests in {took:.1?}, {failed} failed, the longest {longest:?}; hit rate {} %; ",
            totals.hit_rate()
        );
        let _ = write!(told, "{verdict}; {totals:?}");
        println!("{told}");
        assert!(verdict.is_sound(), "{told}");
        assert!(*done >= requests && *failed == 0, "{told}");
        assert!(totals.hit_rate() >= 80, "{told}");
        assert!(verdict.after_own > 0 && verdict.writes > 0 && totals.refused > 0, "nothing was proved: {told}");
    }
}
