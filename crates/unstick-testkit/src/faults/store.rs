//! The wrapper.

use std::{fmt, future::Future, num::NonZeroU32, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use unstick_core::{
    Applied, BoxFuture, Change, Created, Decide, Ended, Error, ErrorKind, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, RecordKey,
    Renewal, Reservation, Rotated, Rotation, Runtime, Scope, SessionEntry, Store, Timestamp,
};

use super::{Calls, Fault, Faults, Op};

/// A store with faults. Clones share store, faults and counts. See the [module docs](super).
pub struct FaultStore<S> {
    inner: Arc<S>,
    faults: Faults,
    calls: Calls,
    runtime: Runtime,
}

impl<S> Clone for FaultStore<S> {
    fn clone(&self) -> Self {
        let Self { inner, faults, calls, runtime } = self;
        Self { inner: inner.clone(), faults: faults.clone(), calls: calls.clone(), runtime: runtime.clone() }
    }
}

impl<S: fmt::Debug> fmt::Debug for FaultStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultStore").field(&self.inner).finish()
    }
}

impl<S: Store> FaultStore<S> {
    /// Around `inner`, without a fault so far.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self::over(Arc::new(inner))
    }

    /// Around a store that others use too.
    #[must_use]
    pub fn over(inner: Arc<S>) -> Self {
        Self { inner, faults: Faults::default(), calls: Calls::default(), runtime: Runtime::tokio() }
    }

    /// The clock of [`Fault::Delay`]. Default [`Runtime::tokio`].
    #[must_use]
    pub fn with_runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// The store behind, past all faults.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
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

    /// Runs an operation that borrows from its caller.
    async fn here<T>(&self, fault: Option<Fault>, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let operation = async {
            let answer = operation.await;
            self.calls.reach();
            answer
        };
        match fault {
            None => operation.await,
            Some(Fault::FailBefore(kind)) => Err(injected(kind)),
            Some(Fault::FailAfter(kind)) => operation.await.and_then(|_| Err(injected(kind))),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::HangAfter) => {
                drop(operation.await);
                std::future::pending().await
            }
            Some(Fault::Late(until)) => {
                permitted(until).await;
                operation.await
            }
            Some(Fault::AnswerLate(until)) => {
                let answer = operation.await;
                permitted(until).await;
                answer
            }
            Some(Fault::Delay(duration)) => {
                self.runtime.sleep(duration).await;
                operation.await
            }
        }
    }

    /// Runs an operation that can go on by itself, which it does when it is to arrive although its caller has left.
    async fn call<T, F, Fut>(&self, op: Op, operation: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(Arc<S>) -> Fut,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let fault = self.faults.take(op);
        self.calls.begin(op);
        let operation = operation(self.inner.clone());
        let Some(Fault::Late(until)) = fault else { return self.here(fault, operation).await };
        let calls = self.calls.clone();
        let held = tokio::spawn(async move {
            permitted(until).await;
            let answer = operation.await;
            calls.reach();
            answer
        });
        held.await.unwrap_or_else(|_| Err(injected(ErrorKind::Interrupted)))
    }
}

async fn permitted(until: Arc<Semaphore>) {
    if let Ok(permit) = until.acquire_owned().await {
        permit.forget();
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
        self.call(Op::Create, |store| async move { store.create(op, key, &new).await }).await
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        self.call(Op::Load, |store| async move { store.load(op, key, presented, renewal).await }).await
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        let change = change.clone();
        self.call(Op::Apply, |store| async move { store.apply(op, key, presented, &change).await }).await
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
        self.call(Op::Rotate, |store| async move { store.rotate(op, key, presented, &rotation, &change).await }).await
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        self.call(Op::End, |store| async move { store.end(op, key, presented, until).await }).await
    }

    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        self.call(Op::Sweep, |store| async move { store.sweep(op, limit).await }).await
    }

    async fn update_locked(&self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        let fault = self.faults.take(Op::UpdateLocked);
        self.calls.begin(Op::UpdateLocked);
        self.here(fault, self.inner.update_locked(op, key, presented, decide)).await
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        self.inner.principal_index().map(|_| self as &dyn PrincipalIndex)
    }
}

fn no_index<T>() -> Result<T, Error> {
    Err(Error::new(ErrorKind::Unsupported, "the store has no principal index"))
}

impl<S: Store> PrincipalIndex for FaultStore<S> {
    fn list<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> {
        let principal = principal.to_owned();
        Box::pin(self.call(Op::List, move |store| async move {
            match store.principal_index() {
                Some(index) => index.list(op, &principal).await,
                None => no_index(),
            }
        }))
    }

    fn end_others<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        skew: Duration,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        let principal = principal.to_owned();
        Box::pin(self.call(Op::EndOthers, move |store| async move {
            match store.principal_index() {
                Some(index) => index.end_others(op, &principal, keep, skew).await,
                None => no_index(),
            }
        }))
    }

    fn reserve<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        key: RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Reservation, Error>> {
        let principal = principal.to_owned();
        Box::pin(self.call(Op::Reserve, move |store| async move {
            match store.principal_index() {
                Some(index) => index.reserve(op, &principal, key, max, until).await,
                None => no_index(),
            }
        }))
    }
}
