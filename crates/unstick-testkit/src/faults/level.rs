//! A cache level with faults.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use unstick_core::{Error, Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, OpCtx, Runtime, Target, Want};

use super::script::{Script, controls};

/// An operation of a cache level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LevelOp {
    /// `Level::read`.
    Read,
    /// `Level::read_or_lease`.
    ReadOrLease,
    /// `Level::extend`.
    Extend,
    /// `Level::fill`.
    Fill,
    /// `Level::release`.
    Release,
    /// `Level::invalidate`.
    Invalidate,
}

impl LevelOp {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Read, Self::ReadOrLease, Self::Extend, Self::Fill, Self::Release, Self::Invalidate];
}

/// Forwards to a cache level, but for the faults it is told. Clones share level and faults. See the [module docs](super).
pub struct FaultLevel<L> {
    inner: Arc<L>,
    script: Arc<Script<LevelOp>>,
    runtime: Runtime,
}

impl<L> Clone for FaultLevel<L> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), script: self.script.clone(), runtime: self.runtime.clone() }
    }
}

impl<L: fmt::Debug> fmt::Debug for FaultLevel<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultLevel").field(&self.inner).finish()
    }
}

impl<L: Level> FaultLevel<L> {
    /// Forwards everything until it is told otherwise. `runtime`: the clock of delays, and the tasks of what arrives late.
    #[must_use]
    pub fn new(inner: L, runtime: &Runtime) -> Self {
        Self { inner: Arc::new(inner), script: Arc::new(Script::new()), runtime: runtime.clone() }
    }

    /// What is behind, past all faults.
    #[must_use]
    pub fn inner(&self) -> &L {
        &self.inner
    }

    controls!(LevelOp);

    async fn call<T: Send + 'static, C>(&self, op: LevelOp, call: impl FnOnce(Arc<L>) -> C) -> Result<T, Error>
    where
        C: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.script.travel(&self.runtime, op, call(self.inner.clone())).await
    }
}

impl<L: Level> Level for FaultLevel<L> {
    async fn read(&self, op: OpCtx, key: &LevelKey, schema: u32) -> Result<Option<LevelValue>, Error> {
        let key = key.clone();
        self.call(LevelOp::Read, |level| async move { level.read(op, &key, schema).await }).await
    }

    async fn read_or_lease(&self, op: OpCtx, key: &LevelKey, want: &Want) -> Result<Looked, Error> {
        let (key, want) = (key.clone(), *want);
        self.call(LevelOp::ReadOrLease, |level| async move { level.read_or_lease(op, &key, &want).await }).await
    }

    async fn extend(&self, op: OpCtx, key: &LevelKey, schema: u32, token: LeaseToken, lease: Duration) -> Result<bool, Error> {
        let key = key.clone();
        self.call(LevelOp::Extend, |level| async move { level.extend(op, &key, schema, token, lease).await }).await
    }

    async fn fill(&self, op: OpCtx, key: &LevelKey, lease: Held, value: &LevelValue) -> Result<Filled, Error> {
        let (key, value) = (key.clone(), value.clone());
        self.call(LevelOp::Fill, |level| async move { level.fill(op, &key, lease, &value).await }).await
    }

    async fn release(&self, op: OpCtx, key: &LevelKey, lease: Held) -> Result<bool, Error> {
        let key = key.clone();
        self.call(LevelOp::Release, |level| async move { level.release(op, &key, lease).await }).await
    }

    async fn invalidate(&self, op: OpCtx, target: &Target) -> Result<(), Error> {
        let target = target.clone();
        self.call(LevelOp::Invalidate, |level| async move { level.invalidate(op, &target).await }).await
    }
}
