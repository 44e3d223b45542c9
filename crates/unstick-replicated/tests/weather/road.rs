//! The way from a node to a store.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use unstick_core::{
    Applied, Change, Created, Ended, Error, ErrorKind, Loaded, NewRecord, OpCtx, Presented, RecordKey, Renewal, Rotated, Rotation, Scope,
    Store, Timestamp,
};
use unstick_memory::MemoryStore;
use unstick_testkit::sim::Handle;

pub(crate) const NODES: usize = 3;

/// Three stores, and who reaches them.
pub(crate) struct World {
    pub(crate) at: Handle,
    stores: [Mutex<MemoryStore>; 3],
    cut: [[AtomicBool; 3]; NODES],
    /// One of so many calls or answers is lost or late; zero: none.
    loses: usize,
}

impl World {
    pub(crate) fn new(at: &Handle, loses: usize) -> Arc<Self> {
        let store = || Mutex::new(MemoryStore::builder().runtime(at.runtime()).build());
        Arc::new(Self { at: at.clone(), stores: [store(), store(), store()], cut: Default::default(), loses })
    }

    pub(crate) fn set_cut(&self, node: usize, store: usize, cut: bool) {
        self.cut[node][store].store(cut, Ordering::Relaxed);
    }

    pub(crate) fn heal(&self) {
        for (node, store) in (0..NODES).flat_map(|node| [0, 1, 2].map(|store| (node, store))) {
            self.set_cut(node, store, false);
        }
    }

    /// All that the store had is gone.
    pub(crate) fn forget(&self, store: usize) {
        *self.stores[store].lock().unwrap() = MemoryStore::builder().runtime(self.at.runtime()).build();
    }

    fn store(&self, store: usize) -> MemoryStore {
        self.stores[store].lock().unwrap().clone()
    }

    fn mishap(&self) -> bool {
        self.loses > 0 && self.at.once_in(self.loses)
    }
}

/// One node's way to one store.
#[derive(Clone)]
pub(crate) struct Road {
    pub(crate) world: Arc<World>,
    pub(crate) node: usize,
    pub(crate) store: usize,
}

impl std::fmt::Debug for Road {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Road({} to {})", self.node, self.store)
    }
}

impl Road {
    fn is_cut(&self) -> bool {
        self.world.cut[self.node][self.store].load(Ordering::Relaxed)
    }

    /// An error at once, or no answer at all.
    async fn fail<T>(&self, kind: ErrorKind) -> Result<T, Error> {
        if self.world.at.once_in(3) {
            self.world.at.sleep(Duration::from_secs(30)).await;
        }
        Err(Error::new(kind, "the weather"))
    }

    async fn travel<T: Send + 'static, F>(&self, call: impl FnOnce(MemoryStore) -> F + Send + 'static) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let at = &self.world.at;
        at.yield_some(3).await;
        if self.is_cut() || self.world.mishap() {
            return self.fail(ErrorKind::Unavailable).await;
        }
        if self.world.mishap() {
            let (world, store, late) = (self.world.clone(), self.store, Duration::from_millis(at.below(3000) as u64));
            drop(at.spawn(async move {
                world.at.sleep(late).await;
                let store = world.store(store);
                drop(call(store).await);
            }));
            return self.fail(ErrorKind::Timeout).await;
        }
        let answer = call(self.world.store(self.store)).await;
        at.yield_some(3).await;
        if self.is_cut() || self.world.mishap() {
            return self.fail(ErrorKind::Interrupted).await;
        }
        answer
    }
}

impl Store for Road {
    fn scope(&self) -> Scope {
        Scope::Shared
    }

    fn name(&self) -> &'static str {
        "road"
    }

    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        let new = new.clone();
        self.travel(move |store| async move { store.create(op, key, &new).await }).await
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        self.travel(move |store| async move { store.load(op, key, presented, renewal).await }).await
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        let change = change.clone();
        self.travel(move |store| async move { store.apply(op, key, presented, &change).await }).await
    }

    async fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<Rotated, Error> {
        let (rotation, change) = (rotation.clone(), change.clone());
        self.travel(move |store| async move { store.rotate(op, key, presented, &rotation, &change).await }).await
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        self.travel(move |store| async move { store.end(op, key, presented, until).await }).await
    }

    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        self.travel(move |store| async move { store.sweep(op, limit).await }).await
    }
}
