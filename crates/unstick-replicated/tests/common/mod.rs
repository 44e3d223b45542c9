//! Shared by the tests: pairs, trios, and files that go away.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{sync::Mutex, time::Duration};

use unstick_memory::MemoryStore;
use unstick_replicated::{NoWitness, Replicated};
use unstick_sql::sqlite::SqliteStore;
use unstick_testkit::contract::StoreFactory;

/// Time enough for a busy machine.
pub(crate) const AMPLE: Duration = Duration::from_secs(60);

/// Two stores in memory; another node has its own pair over the same two.
pub(crate) struct Pairs;

impl StoreFactory for Pairs {
    type Store = Replicated<MemoryStore, MemoryStore>;

    async fn open(&self) -> Self::Store {
        Replicated::builder(MemoryStore::new(), MemoryStore::new()).patience(AMPLE).build()
    }

    async fn open_again(&self, store: &Self::Store) -> Option<Self::Store> {
        Some(Replicated::builder(store.a().clone(), store.b().clone()).patience(AMPLE).build())
    }
}

/// The same with a witness.
pub(crate) struct Trios;

impl StoreFactory for Trios {
    type Store = Replicated<MemoryStore, MemoryStore, MemoryStore>;

    async fn open(&self) -> Self::Store {
        Replicated::builder(MemoryStore::new(), MemoryStore::new()).witness(MemoryStore::new()).patience(AMPLE).build()
    }

    async fn open_again(&self, store: &Self::Store) -> Option<Self::Store> {
        Some(Replicated::builder(store.a().clone(), store.b().clone()).witness(store.w().clone()).patience(AMPLE).build())
    }
}

/// Two files, in a directory that goes away.
#[derive(Default)]
pub(crate) struct Files(Mutex<Vec<tempfile::TempDir>>);

async fn file(path: std::path::PathBuf) -> SqliteStore {
    let builder = SqliteStore::builder("").path(&path).busy_timeout(Duration::from_secs(30)).sweep_interval(Duration::ZERO);
    builder.connect().await.unwrap()
}

impl StoreFactory for Files {
    type Store = Replicated<SqliteStore, SqliteStore, NoWitness>;

    async fn open(&self) -> Self::Store {
        let place = tempfile::tempdir().unwrap();
        let (a, b) = (file(place.path().join("a.sqlite")).await, file(place.path().join("b.sqlite")).await);
        self.0.lock().unwrap().push(place);
        Replicated::builder(a, b).patience(AMPLE).build()
    }

    async fn open_again(&self, store: &Self::Store) -> Option<Self::Store> {
        let (a, b) = (file(store.a().path().to_owned()).await, file(store.b().path().to_owned()).await);
        Some(Replicated::builder(a, b).patience(AMPLE).build())
    }
}
