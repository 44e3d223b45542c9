//! The way from a node to a store.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use unstick_core::{
    Applied, BoxFuture, Change, Created, Ended, Error, ErrorKind, Loaded, NewRecord, OpCtx, Presented, RecordKey, Renewal, Rotated,
    Rotation, Scope, Store, Timestamp,
};
use unstick_memory::MemoryStore;
use unstick_testkit::sim::Handle;

pub(crate) const NODES: usize = 3;

/// A write that was sent to a store, and can be sent again.
type Write = Arc<dyn Fn(MemoryStore) -> BoxFuture<'static, ()> + Send + Sync>;

/// A store, and how it came about.
struct Kept {
    store: MemoryStore,
    writes: Vec<Write>,
}

/// Three stores, and who reaches them.
pub(crate) struct World {
    pub(crate) at: Handle,
    stores: [Mutex<Kept>; 3],
    cut: [[AtomicBool; 3]; NODES],
    /// One of so many calls to a store, or answers, is lost or late; zero: none.
    loses: [usize; 3],
    /// The one that is lost where it is always the same.
    pub(crate) only: usize,
}

/// Judges no lateness: what is written again is old.
fn empty(at: &Handle) -> MemoryStore {
    MemoryStore::builder().runtime(at.node(Timestamp::ZERO, Duration::ZERO)).build()
}

impl World {
    pub(crate) fn new(at: &Handle, loses: [usize; 3], only: usize) -> Arc<Self> {
        let store = || Mutex::new(Kept { store: empty(at), writes: Vec::new() });
        Arc::new(Self { at: at.clone(), stores: [store(), store(), store()], cut: Default::default(), loses, only })
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
        *self.stores[store].lock().unwrap() = Kept { store: empty(&self.at), writes: Vec::new() };
    }

    /// The store has what it had at some time before.
    pub(crate) async fn rewind(&self, store: usize) {
        let mut writes = std::mem::take(&mut self.stores[store].lock().unwrap().writes);
        writes.truncate(self.at.below(writes.len() + 1));
        let old = empty(&self.at);
        for write in &writes {
            write(old.clone()).await;
        }
        *self.stores[store].lock().unwrap() = Kept { store: old, writes };
    }

    /// Sends a call to a store as it is now; a store remembers what may have changed it.
    async fn send<T: Send + 'static, F>(
        &self,
        store: usize,
        call: &(impl Fn(MemoryStore) -> F + Clone + Send + Sync + 'static),
        writes: bool,
    ) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        let now = {
            let mut kept = self.stores[store].lock().unwrap();
            if writes {
                let call = call.clone();
                kept.writes.push(Arc::new(move |store| {
                    let call = call(store);
                    Box::pin(async move { drop(call.await) })
                }));
            }
            kept.store.clone()
        };
        call(now).await
    }

    fn mishap(&self, store: usize) -> bool {
        self.loses[store] > 0 && self.at.once_in(self.loses[store])
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

    async fn travel<T: Send + 'static, F>(
        &self,
        op: OpCtx,
        writes: bool,
        call: impl Fn(MemoryStore) -> F + Clone + Send + Sync + 'static,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let at = &self.world.at;
        // A store judges lateness by its own clock, as engines do.
        let ends = at.now() + op.budget();
        let is_late = |at: &Handle| writes && at.now() >= ends;
        at.yield_some(3).await;
        if self.is_cut() || self.world.mishap(self.store) {
            return self.fail(ErrorKind::Unavailable).await;
        }
        if self.world.mishap(self.store) {
            let (world, store, late) = (self.world.clone(), self.store, Duration::from_millis(at.below(3000) as u64));
            drop(at.spawn(async move {
                world.at.sleep(late).await;
                if !(writes && world.at.now() >= ends) {
                    drop(world.send(store, &call, writes).await);
                }
            }));
            return self.fail(ErrorKind::Timeout).await;
        }
        if is_late(at) {
            return Err(Error::new(ErrorKind::Late, "too late"));
        }
        let answer = self.world.send(self.store, &call, writes).await;
        at.yield_some(3).await;
        if self.is_cut() || self.world.mishap(self.store) {
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
        self.travel(op, true, move |store| {
            let new = new.clone();
            async move { store.create(op, key, &new).await }
        })
        .await
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        self.travel(op, renewal.is_some(), move |store| async move { store.load(op, key, presented, renewal).await }).await
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        let change = change.clone();
        self.travel(op, true, move |store| {
            let change = change.clone();
            async move { store.apply(op, key, presented, &change).await }
        })
        .await
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
        self.travel(op, true, move |store| {
            let (rotation, change) = (rotation.clone(), change.clone());
            async move { store.rotate(op, key, presented, &rotation, &change).await }
        })
        .await
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        self.travel(op, true, move |store| async move { store.end(op, key, presented, until).await }).await
    }

    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        self.travel(op, true, move |store| async move { store.sweep(op, limit).await }).await
    }
}
