//! The store contract, with a second store over the same file as another node.
#![cfg(feature = "sqlite")]

mod common;

use std::{sync::Mutex, time::Duration};

use common::Place;
use unstick_sql::sqlite::SqliteStore;
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    contract::StoreFactory,
};

/// Each store in a file of its own; the files go away with the factory.
#[derive(Default)]
struct Files {
    places: Mutex<Vec<Place>>,
    clock: Option<ManualClock>,
}

impl Files {
    async fn at(&self, address: &str) -> SqliteStore {
        let builder = SqliteStore::builder(address).busy_timeout(Duration::from_secs(10)).sweep_interval(Duration::ZERO);
        match &self.clock {
            Some(clock) => builder.runtime(clock.runtime()),
            None => builder,
        }
        .connect()
        .await
        .unwrap()
    }
}

impl StoreFactory for Files {
    type Store = SqliteStore;

    async fn open(&self) -> SqliteStore {
        let place = Place::new();
        let address = place.address();
        self.places.lock().unwrap().push(place);
        self.at(&address).await
    }

    async fn open_again(&self, store: &SqliteStore) -> Option<SqliteStore> {
        Some(self.at(&store.path().display().to_string()).await)
    }

    fn clock(&self) -> TestClock {
        self.clock.clone().map_or(TestClock::System, TestClock::Manual)
    }
}

mod system_clock {
    use super::*;
    unstick_testkit::contract_suite!(Files::default());
}

mod manual_clock {
    use super::*;
    unstick_testkit::contract_suite!(Files { clock: Some(ManualClock::default()), ..Files::default() });
}
