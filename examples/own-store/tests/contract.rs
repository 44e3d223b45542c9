//! The rules of `unstick::core::Store`, one test each, and seeded races.

use example_own_store::FileStore;
use tempfile::TempDir;
use unstick_testkit::contract::StoreFactory;

/// Stores in directories of their own.
struct Directories(TempDir);

impl Default for Directories {
    fn default() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }
}

impl StoreFactory for Directories {
    type Store = FileStore;

    async fn open(&self) -> FileStore {
        let dir = tempfile::tempdir_in(self.0.path()).expect("a directory").keep();
        FileStore::open(dir).expect("a store")
    }

    async fn open_again(&self, store: &FileStore) -> Option<FileStore> {
        FileStore::open(store.dir()).ok()
    }

    fn has_index(&self) -> bool {
        false
    }
}

unstick_testkit::contract_suite!(Directories::default());
