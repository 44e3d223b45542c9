//! Stores of two nodes over the same two stores, each at a step of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use unstick::{
    Events, Runtime,
    core::{BoxFuture, RuntimeOps, Timestamp},
    memory::MemoryStore,
    store::migrate::{Migrate, Step},
};
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
    faults::{Fault, FaultStore},
    observe::EventLog,
};

/// Memory answers at once; here other tasks come in between, as they do while a server works.
pub(crate) type Slow = FaultStore<MemoryStore>;

pub(crate) type Memories = Migrate<Slow, Slow>;

/// Waits by letting others go first, now once, now more often.
#[derive(Debug, Default)]
struct Turns(AtomicU64);

impl RuntimeOps for Turns {
    fn wall(&self) -> Timestamp {
        Timestamp::system_now()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        let turns = self.0.fetch_add(0x9e37_79b9, Ordering::Relaxed) >> 7 & 3;
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }
}

/// Two nodes; the first one creates the sessions.
pub(crate) struct Nodes {
    pub(crate) first: Step,
    pub(crate) second: Step,
    pub(crate) quiet: Duration,
    pub(crate) clock: TestClock,
    pub(crate) log: Arc<EventLog>,
}

impl Nodes {
    /// Nodes that move a session as soon as they see it.
    pub(crate) fn eager(first: Step, second: Step) -> Self {
        Self { first, second, quiet: Duration::ZERO, clock: TestClock::System, log: Arc::default() }
    }

    /// The same by a clock that moves.
    pub(crate) fn in_time(self) -> Self {
        Self { clock: TestClock::Manual(ManualClock::default()), ..self }
    }

    fn node(&self, old: Slow, new: Slow, step: Step) -> Memories {
        Migrate::new(old, new, step).quiet(self.quiet).events(Events::new("").observer(Arc::clone(&self.log)))
    }

    fn memory(&self) -> Slow {
        let store = match &self.clock {
            TestClock::System => MemoryStore::new(),
            TestClock::Manual(clock) => MemoryStore::builder().runtime(clock.runtime()).build(),
        };
        let store = FaultStore::new(store).with_runtime(Runtime::custom(Turns::default()));
        store.always_all(Fault::Delay(Duration::ZERO));
        store
    }
}

impl StoreFactory for Nodes {
    type Store = Memories;

    async fn open(&self) -> Memories {
        self.node(self.memory(), self.memory(), self.first)
    }

    async fn open_again(&self, store: &Memories) -> Option<Memories> {
        Some(self.node(store.old().clone(), store.new_store().clone(), self.second))
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    fn remembers(&self) -> bool {
        self.first == self.second
    }

    fn ends_in_one_step(&self) -> bool {
        false
    }
}
