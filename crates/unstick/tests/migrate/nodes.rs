//! Stores of two nodes over the same two stores, each at a step of its own.

use std::time::Duration;

use unstick::{
    memory::MemoryStore,
    store::migrate::{Migrate, Step},
};
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
};

pub(crate) type Memories = Migrate<MemoryStore, MemoryStore>;

/// Two nodes; the first one creates the sessions.
pub(crate) struct Nodes {
    pub(crate) first: Step,
    pub(crate) second: Step,
    pub(crate) quiet: Duration,
    pub(crate) clock: TestClock,
}

impl Nodes {
    /// Nodes that move a session as soon as they see it.
    pub(crate) fn eager(first: Step, second: Step) -> Self {
        Self { first, second, quiet: Duration::ZERO, clock: TestClock::System }
    }

    /// The same by a clock that moves.
    pub(crate) fn in_time(self) -> Self {
        Self { clock: TestClock::Manual(ManualClock::default()), ..self }
    }

    fn memory(&self) -> MemoryStore {
        match &self.clock {
            TestClock::System => MemoryStore::new(),
            TestClock::Manual(clock) => MemoryStore::builder().runtime(clock.runtime()).build(),
        }
    }
}

impl StoreFactory for Nodes {
    type Store = Memories;

    async fn open(&self) -> Memories {
        Migrate::new(self.memory(), self.memory(), self.first).quiet(self.quiet)
    }

    async fn open_again(&self, store: &Memories) -> Option<Memories> {
        Some(Migrate::new(store.old().clone(), store.new_store().clone(), self.second).quiet(self.quiet))
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    fn remembers(&self) -> bool {
        self.first == self.second
    }
}
