//! The cache's own modules, put together as the cache does.

use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};
use unstick_core::OpId;

use super::{
    distrust::{Distrust, Unheard},
    explore, explore_to,
    flight::{Flights, Role},
    generations::{Generations, Stripe},
    mark::Print,
};

const KEY: u64 = 7;
const OP: OpId = OpId::from_u128(1);

/// The order of steps that must not be changed, and those that must not be left out.
#[derive(Clone, Copy)]
struct Steps {
    /// A reader of the level notes its beginning before it looks whether the level is distrusted.
    begins_first: bool,
    /// A confirmation by the level counts as one more invalidation.
    confirms_again: bool,
    /// It counts before the level is trusted again.
    counts_first: bool,
    /// A caller joins only loads that nothing has overtaken.
    checks_flights: bool,
}

const STEPS: Steps = Steps { begins_first: true, confirms_again: true, counts_first: true, checks_flights: true };

/// A load under way: when it began, and what it brought.
struct Flight {
    start: u64,
    landed: Mutex<Option<u64>>,
}

/// A node with one key; the level it shares, and the source. Versions are 0 (old) and 1.
struct Node {
    steps: Steps,
    generations: Generations,
    stripe: Stripe,
    distrust: Distrust,
    flights: Flights<u64, Flight>,
    /// Start and version.
    entry: Mutex<Option<(u64, u64)>>,
    level: Mutex<Option<u64>>,
    source: AtomicU64,
}

impl Node {
    fn new(steps: Steps, level: Option<u64>) -> Arc<Self> {
        let generations = Generations::new(1, 1);
        let stripe = generations.key(KEY);
        Arc::new(Self {
            steps,
            generations,
            stripe,
            distrust: Distrust::default(),
            flights: Flights::new(),
            entry: Mutex::new(None),
            level: Mutex::new(level),
            source: AtomicU64::new(0),
        })
    }

    fn is_valid(&self, start: u64) -> bool {
        self.generations.is_valid(start, self.stripe, &[])
    }

    fn hit(&self) -> Option<u64> {
        let entry = *self.entry.lock().unwrap();
        entry.filter(|(start, _)| self.is_valid(*start)).map(|(_, version)| version)
    }

    fn keep(&self, start: u64, version: u64) {
        if self.is_valid(start) {
            *self.entry.lock().unwrap() = Some((start, version));
        }
    }

    fn load(&self) {
        let start = self.generations.now();
        let version = self.source.load(Relaxed);
        self.keep(start, version);
    }

    /// Commits, and invalidates here alone.
    fn write(&self) {
        self.source.store(1, Relaxed);
        self.generations.invalidate_key(self.stripe);
    }

    /// Commits, and invalidates here and in the level.
    fn write_through(&self) {
        self.write_without_level();
        self.tell_level();
    }

    /// Commits, and invalidates here; the level is to be told later.
    fn write_without_level(&self) {
        self.source.store(1, Relaxed);
        self.distrust.add(Print::Key(KEY), Unheard::New(OP), || OP);
        self.generations.invalidate_key(self.stripe);
    }

    fn tell_level(&self) {
        self.level.lock().unwrap().take_if(|version| *version == 0);
        if self.distrust.awaits(Print::Key(KEY), OP) {
            let count = || _ = self.generations.invalidate_key(self.stripe);
            let Steps { confirms_again, counts_first, .. } = self.steps;
            if confirms_again && counts_first {
                count();
            }
            self.distrust.confirmed(Print::Key(KEY), OP);
            if confirms_again && !counts_first {
                count();
            }
        }
    }

    /// Takes the level's value, unless it is distrusted: then nothing, for once.
    fn read_level(&self) {
        let early = self.generations.now();
        if self.distrust.of(Print::Key(KEY)).is_some() {
            return self.tell_level();
        }
        let start = if self.steps.begins_first { early } else { self.generations.now() };
        let version = *self.level.lock().unwrap();
        if let Some(version) = version {
            self.keep(start, version);
        }
    }

    /// The same where distrust is of a tag: what to look for is known only from the value.
    fn read_level_by_tag(&self) {
        self.ask_level_by_tag();
    }

    /// What those who wait for it are answered with.
    fn ask_level_by_tag(&self) -> Option<u64> {
        let start = self.generations.now();
        let version = *self.level.lock().unwrap();
        if self.distrust.of(Print::Key(KEY)).is_some() {
            self.tell_level();
            return None;
        }
        self.keep(start, version?);
        version.filter(|_| self.is_valid(start))
    }

    /// The value, by a load of one's own or somebody else's; `None` while that has not landed.
    fn get(&self) -> Option<u64> {
        let usable = |flight: &Flight| !self.steps.checks_flights || self.is_valid(flight.start);
        match self.flights.enter(&KEY, usable, || Flight { start: self.generations.now(), landed: Mutex::new(None) }) {
            Role::Join(flight) => *flight.landed.lock().unwrap(),
            Role::Lead(flight) => {
                let version = self.source.load(Relaxed);
                self.keep(flight.start, version);
                *flight.landed.lock().unwrap() = Some(version);
                self.flights.leave(&KEY, &flight);
                Some(version)
            }
        }
    }
}

fn beside(node: &Arc<Node>, act: fn(&Node)) -> thread::JoinHandle<()> {
    let node = node.clone();
    thread::spawn(move || act(&node))
}

/// Two loads beside a write; then a read, and another when all is quiet.
fn loads_and_write() {
    explore_to(2, || {
        let node = Node::new(STEPS, None);
        let loaders = [beside(&node, Node::load), beside(&node, Node::load)];
        node.write();
        assert_ne!(node.hit(), Some(0), "stale");
        for loader in loaders {
            loader.join().unwrap();
        }
        assert_ne!(node.hit(), Some(0), "stale");
    });
}

/// A read of a level that has the old value, beside a write; then a read, and another when all is quiet.
fn level_and_write(steps: Steps, read: fn(&Node)) {
    explore(move || {
        let node = Node::new(steps, Some(0));
        let reader = beside(&node, read);
        node.write_through();
        assert_ne!(node.hit(), Some(0), "stale");
        reader.join().unwrap();
        assert_ne!(node.hit(), Some(0), "stale");
    });
}

/// A reader that comes after a write, beside the level being told of it at last.
fn late_level_and_read(steps: Steps) {
    explore(move || {
        let node = Node::new(steps, Some(0));
        node.write_without_level();
        let late = beside(&node, Node::tell_level);
        assert_ne!(node.ask_level_by_tag(), Some(0), "stale");
        late.join().unwrap();
        assert_ne!(node.hit(), Some(0), "stale");
    });
}

/// A caller that comes after a write, beside one that came before.
fn flights_and_write(steps: Steps) {
    explore(move || {
        let node = Node::new(steps, None);
        let before = beside(&node, |node| {
            node.get();
        });
        node.write();
        assert_ne!(node.get(), Some(0), "stale");
        before.join().unwrap();
        assert_ne!(node.hit(), Some(0), "stale");
        assert_eq!(node.get(), Some(1), "a load that is over is joined by nobody");
    });
}

#[test]
fn loads_never_outlive_an_invalidation() {
    loads_and_write();
}

#[test]
fn nor_does_what_the_level_had() {
    level_and_write(STEPS, Node::read_level);
    level_and_write(STEPS, Node::read_level_by_tag);
}

#[test]
fn nor_is_it_served_while_the_level_hears_of_the_write() {
    late_level_and_read(STEPS);
}

#[test]
#[should_panic(expected = "stale")]
fn trusting_the_level_before_its_confirmation_counts_is_caught() {
    late_level_and_read(Steps { counts_first: false, ..STEPS });
}

#[test]
fn nor_is_an_overtaken_load_joined() {
    flights_and_write(STEPS);
}

#[test]
#[should_panic(expected = "stale")]
fn a_confirmation_that_counts_for_nothing_is_caught() {
    level_and_write(Steps { confirms_again: false, ..STEPS }, Node::read_level_by_tag);
}

/// For keys, either of the two would do.
#[test]
#[should_panic(expected = "stale")]
fn beginning_after_the_look_at_distrust_is_caught() {
    level_and_write(Steps { begins_first: false, confirms_again: false, ..STEPS }, Node::read_level);
}

#[test]
#[should_panic(expected = "stale")]
fn joining_any_flight_is_caught() {
    flights_and_write(Steps { checks_flights: false, ..STEPS });
}
