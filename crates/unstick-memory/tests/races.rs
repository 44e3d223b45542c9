//! A thousand seeded schedules, by the system's clock and by one that moves with the schedule.

use unstick_memory::MemoryStore;
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
    races,
};

struct Memory(TestClock);

impl StoreFactory for Memory {
    type Store = MemoryStore;

    async fn open(&self) -> MemoryStore {
        match &self.0 {
            TestClock::System => MemoryStore::new(),
            TestClock::Manual(clock) => MemoryStore::builder().runtime(clock.runtime()).build(),
        }
    }

    async fn open_again(&self, store: &MemoryStore) -> Option<MemoryStore> {
        Some(store.clone())
    }

    fn clock(&self) -> TestClock {
        self.0.clone()
    }
}

#[test]
fn a_thousand_schedules() {
    races::run_seeded(&Memory(TestClock::System), 1000);
}

#[test]
fn a_thousand_schedules_while_time_moves() {
    races::run_seeded(&Memory(TestClock::Manual(ManualClock::default())), 1000);
}
