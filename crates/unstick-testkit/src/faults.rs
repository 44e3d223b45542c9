//! A store that fails on command, around any other.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{ErrorKind, OpCtx, OpId, Store, Timestamp};
//! use unstick_memory::MemoryStore;
//! use unstick_testkit::faults::{Fault, FaultStore};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = FaultStore::new(MemoryStore::new());
//! let (faults, calls) = (store.faults(), store.calls());
//! let now = Timestamp::system_now();
//! let op = OpCtx { now, deadline: now + Duration::from_secs(2), op_id: OpId::from_u128(1) };
//! faults.set(Some(Fault::FailBefore(ErrorKind::Unavailable)));
//! assert_eq!(store.sweep(op, 10).await.unwrap_err().kind(), ErrorKind::Unavailable);
//! faults.set(None);
//! assert_eq!(store.sweep(op, 10).await.unwrap(), 0);
//! assert_eq!(calls.total(), 2);
//! # });
//! ```

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Semaphore;
use unstick_core::{
    Applied, Change, Created, Decide, Ended, Error, ErrorKind, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, RecordKey, Renewal,
    Rotated, Rotation, Scope, Store, Timestamp,
};

/// How operations go wrong.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// Fails; nothing reaches the store.
    FailBefore(ErrorKind),
    /// Reaches the store, and then fails: the outcome is unknown to the caller.
    FailAfter(ErrorKind),
    /// Never answers, and never reaches the store.
    Hang,
    /// Never answers, but has reached the store.
    HangAfter,
    /// Is held until the semaphore has a permit, and only then reaches the store, even if the caller has left: the
    /// operation goes on in a task of its own.
    Late(Arc<Semaphore>),
}

/// Sets the fault. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Option<Fault>>>);

impl Faults {
    /// What happens to operations from now on; `None`: nothing.
    pub fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    fn get(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts operations. Clones are the same counter.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    begun: Arc<AtomicUsize>,
    reached: Arc<AtomicUsize>,
}

impl Calls {
    /// Operations asked for.
    #[must_use]
    pub fn total(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Operations that the store itself has completed.
    #[must_use]
    pub fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

/// A store with faults. See the [module docs](self).
#[derive(Debug)]
pub struct FaultStore<S> {
    inner: Arc<S>,
    faults: Faults,
    calls: Calls,
}

impl<S: Store> FaultStore<S> {
    /// Around `inner`, without a fault so far.
    pub fn new(inner: S) -> Self {
        Self::over(Arc::new(inner))
    }

    /// Around a store that others use too.
    pub fn over(inner: Arc<S>) -> Self {
        Self { inner, faults: Faults::default(), calls: Calls::default() }
    }

    /// The switch.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The counter.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }

    async fn run<T, F, Fut>(&self, operation: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(Arc<S>) -> Fut,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let Calls { begun, reached } = self.calls.clone();
        begun.fetch_add(1, Ordering::SeqCst);
        let operation = operation(self.inner.clone());
        let operation = async move {
            let answer = operation.await;
            reached.fetch_add(1, Ordering::SeqCst);
            answer
        };
        match self.faults.get() {
            None => operation.await,
            Some(Fault::FailBefore(kind)) => Err(injected(kind)),
            Some(Fault::FailAfter(kind)) => operation.await.and_then(|_| Err(injected(kind))),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::HangAfter) => {
                drop(operation.await);
                std::future::pending().await
            }
            Some(Fault::Late(until)) => {
                let held = tokio::spawn(async move {
                    if let Ok(permit) = until.acquire_owned().await {
                        permit.forget();
                    }
                    operation.await
                });
                held.await.unwrap_or_else(|_| Err(injected(ErrorKind::Interrupted)))
            }
        }
    }
}

fn injected(kind: ErrorKind) -> Error {
    Error::new(kind, "a fault of the test")
}

impl<S: Store> Store for FaultStore<S> {
    fn scope(&self) -> Scope {
        self.inner.scope()
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        let new = new.clone();
        self.run(|store| async move { store.create(op, key, &new).await }).await
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        self.run(|store| async move { store.load(op, key, presented, renewal).await }).await
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        let change = change.clone();
        self.run(|store| async move { store.apply(op, key, presented, &change).await }).await
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
        self.run(|store| async move { store.rotate(op, key, presented, &rotation, &change).await }).await
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        self.run(|store| async move { store.end(op, key, presented, until).await }).await
    }

    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        self.run(|store| async move { store.sweep(op, limit).await }).await
    }

    async fn update_locked(&self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        self.inner.update_locked(op, key, presented, decide).await
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        self.inner.principal_index()
    }
}
