//! The wrapper.

use std::{fmt, future::Future, num::NonZeroU32, sync::Arc, time::Duration};

use unstick_core::{
    Applied, BoxFuture, Change, Created, Decide, Ended, Error, ErrorKind, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, RecordKey,
    Renewal, Reservation, Rotated, Rotation, Runtime, Scope, SessionEntry, Store, Timestamp,
};

use super::{
    Op,
    script::{Script, controls},
};

/// Forwards to a store, but for the faults it is told. Clones share store and faults. See the [module docs](super).
pub struct FaultStore<S> {
    inner: Arc<S>,
    script: Arc<Script<Op>>,
    runtime: Runtime,
}

impl<S> Clone for FaultStore<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), script: self.script.clone(), runtime: self.runtime.clone() }
    }
}

impl<S: fmt::Debug> fmt::Debug for FaultStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultStore").field(&self.inner).finish()
    }
}

impl<S: Store> FaultStore<S> {
    /// Forwards everything until it is told otherwise.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self { inner: Arc::new(inner), script: Arc::new(Script::new()), runtime: Runtime::tokio() }
    }

    /// The clock of delays. Default [`Runtime::tokio`].
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

    controls!(Op);

    /// How often anything was called.
    #[must_use]
    pub fn all_calls(&self) -> u64 {
        Op::ALL.into_iter().map(|op| self.script.calls(op)).sum()
    }

    async fn call<T: Send + 'static, C>(&self, op: Op, call: impl FnOnce(Arc<S>) -> C) -> Result<T, Error>
    where
        C: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.script.travel(&self.runtime, op, call(self.inner.clone())).await
    }
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
        let fault = self.script.begin(Op::UpdateLocked);
        self.script.here(&self.runtime, fault, self.inner.update_locked(op, key, presented, decide)).await
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
