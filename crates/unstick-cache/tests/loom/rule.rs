//! The rule by which invalidations win, under every interleaving and every memory order that the language allows.
//!
//! A load is stamped with the clock before it reads; an invalidation takes the next number from the clock, then notes it for
//! its stripe; an entry is valid while nothing later than its stamp is noted. What the models show about memory orders:
//!
//! | step | suffices | weaker |
//! |---|---|---|
//! | `begin`: read the clock | `Acquire` | `Relaxed`: the source's old value may be read after the new number |
//! | `invalidate`: take a number | `Release` (with an older number's holder: a read-modify-write goes on with its release sequence) | `Relaxed`: the number may be seen before the commit |
//! | `invalidate`: note it, with `fetch_max` | `Relaxed` | a plain `store`: the smaller of two numbers may stay |
//! | `valid`: read the note | `Relaxed` | - |
//!
//! The last two are enough because whoever must not see a stale value comes after the invalidation has *finished*, which it
//! knows by some other way (an answer, a lock, a message) that carries the note with it. Where the source is behind a lock or
//! a network, `Relaxed` would do for all of it; the orders make it true for any source, and cost nothing on x86.

use loom::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicU64,
            Ordering::{self, Acquire, Relaxed, Release},
        },
    },
    thread,
};

use super::explore;

/// The rule, with its memory orders to choose.
#[derive(Clone, Copy)]
struct Rule {
    begin: Ordering,
    number: Ordering,
    largest_wins: bool,
    stamp_first: bool,
    checks_flights: bool,
}

const RULE: Rule = Rule { begin: Acquire, number: Release, largest_wins: true, stamp_first: true, checks_flights: true };

struct Generations {
    rule: Rule,
    clock: AtomicU64,
    stripe: AtomicU64,
}

impl Generations {
    fn begin(&self) -> u64 {
        self.clock.load(self.rule.begin)
    }

    fn invalidate(&self) {
        let number = self.clock.fetch_add(1, self.rule.number) + 1;
        if self.rule.largest_wins {
            self.stripe.fetch_max(number, Relaxed);
        } else {
            self.stripe.store(number, Relaxed);
        }
    }

    fn valid(&self, start: u64) -> bool {
        self.stripe.load(Relaxed) <= start
    }
}

type Landing = Arc<Mutex<Option<u64>>>;

/// A node with one key, and the source of its value.
struct World {
    generations: Generations,
    source: AtomicU64,
    /// Stamp and version.
    entry: Mutex<Option<(u64, u64)>>,
    /// Stamp of the load that is running, and its outcome.
    flight: Mutex<Option<(u64, Landing)>>,
}

impl World {
    fn new(rule: Rule) -> Arc<Self> {
        Arc::new(Self {
            generations: Generations { rule, clock: AtomicU64::new(0), stripe: AtomicU64::new(0) },
            source: AtomicU64::new(0),
            entry: Mutex::new(None),
            flight: Mutex::new(None),
        })
    }

    fn load(&self) {
        let start = self.generations.begin();
        let version = self.source.load(Relaxed);
        let start = if self.generations.rule.stamp_first { start } else { self.generations.begin() };
        *self.entry.lock().unwrap() = Some((start, version));
    }

    /// The source's version is a set of bits, one per writer: whose commits it contains.
    fn write(&self, bit: u64) {
        self.source.fetch_add(bit, Relaxed);
        self.generations.invalidate();
    }

    fn hit(&self) -> Option<u64> {
        let entry = *self.entry.lock().unwrap();
        entry.filter(|(start, _)| self.generations.valid(*start)).map(|(_, version)| version)
    }

    /// Joins a flight that is running, or says that there is none to join.
    fn join(&self) -> Option<Landing> {
        let flight = self.flight.lock().unwrap();
        let (start, outcome) = flight.as_ref()?;
        (!self.generations.rule.checks_flights || self.generations.valid(*start)).then(|| outcome.clone())
    }

    fn fly(&self) {
        let (start, outcome) = (self.generations.begin(), Arc::new(Mutex::new(None)));
        *self.flight.lock().unwrap() = Some((start, outcome.clone()));
        let version = self.source.load(Relaxed);
        *outcome.lock().unwrap() = Some(version);
        *self.flight.lock().unwrap() = None;
    }
}

/// A load beside a write; then a read.
fn load_and_write(rule: Rule) {
    explore(move || {
        let world = World::new(rule);
        let loader = thread::spawn({
            let world = world.clone();
            move || world.load()
        });
        world.write(1);
        // The invalidation has finished: what is valid from here on contains the commit, whether the load is done or not.
        assert_ne!(world.hit(), Some(0), "stale");
        loader.join().unwrap();
        assert_ne!(world.hit(), Some(0), "stale");
    });
}

/// A load beside two writes; a read by a writer sees its own commit, and a read at the end sees both.
fn load_and_two_writes(rule: Rule) {
    explore(move || {
        let world = World::new(rule);
        let spawn = |act: fn(&World)| {
            let world = world.clone();
            thread::spawn(move || act(&world))
        };
        let loader = spawn(World::load);
        let writer = spawn(|world| {
            world.write(1);
            assert!(world.hit().is_none_or(|version| version & 1 == 1), "stale");
        });
        world.write(2);
        assert!(world.hit().is_none_or(|version| version & 2 == 2), "stale");
        loader.join().unwrap();
        writer.join().unwrap();
        assert!(world.hit().is_none_or(|version| version == 3), "stale");
    });
}

/// A caller that comes after an invalidation joins a flight: what it gets contains the commit.
fn join_after_write(rule: Rule) {
    explore(move || {
        let world = World::new(rule);
        let leader = thread::spawn({
            let world = world.clone();
            move || world.fly()
        });
        world.write(1);
        let joined = world.join();
        leader.join().unwrap();
        if let Some(outcome) = joined {
            assert_eq!(*outcome.lock().unwrap(), Some(1), "stale");
        }
    });
}

#[test]
fn no_valid_entry_predates_a_finished_invalidation() {
    load_and_write(RULE);
}

#[test]
fn nor_with_two_of_them() {
    load_and_two_writes(RULE);
}

#[test]
fn no_caller_joins_a_flight_that_predates_an_invalidation() {
    join_after_write(RULE);
}

#[test]
#[should_panic(expected = "stale")]
fn a_stamp_after_the_load_is_caught() {
    load_and_write(Rule { stamp_first: false, ..RULE });
}

#[test]
#[should_panic(expected = "stale")]
fn a_relaxed_beginning_is_caught() {
    load_and_write(Rule { begin: Relaxed, ..RULE });
}

#[test]
#[should_panic(expected = "stale")]
fn a_relaxed_number_is_caught() {
    load_and_write(Rule { number: Relaxed, ..RULE });
}

#[test]
#[should_panic(expected = "stale")]
fn a_note_that_goes_back_is_caught() {
    load_and_two_writes(Rule { largest_wins: false, ..RULE });
}

#[test]
#[should_panic(expected = "stale")]
fn joining_any_flight_is_caught() {
    join_after_write(Rule { checks_flights: false, ..RULE });
}
