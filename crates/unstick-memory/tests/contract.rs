//! The store contract, by the system's clock and by one that is moved.

use unstick_memory::MemoryStore;
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
};

/// Stores by the system's clock, with a second handle as another node.
struct System;

impl StoreFactory for System {
    type Store = MemoryStore;

    async fn open(&self) -> MemoryStore {
        MemoryStore::new()
    }

    async fn open_again(&self, store: &MemoryStore) -> Option<MemoryStore> {
        Some(store.clone())
    }
}

/// Stores by a clock that is moved.
#[derive(Default)]
struct Manual(ManualClock);

impl StoreFactory for Manual {
    type Store = MemoryStore;

    async fn open(&self) -> MemoryStore {
        MemoryStore::builder().runtime(self.0.runtime()).build()
    }

    fn clock(&self) -> TestClock {
        TestClock::Manual(self.0.clone())
    }
}

mod system_clock {
    use super::*;
    unstick_testkit::contract_suite!(System);
}

mod manual_clock {
    use super::*;
    unstick_testkit::contract_suite!(Manual::default());
}
