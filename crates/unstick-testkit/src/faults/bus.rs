//! A bus with faults.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use unstick_core::{Bus, Error, OpCtx, Published, Runtime};

use super::script::{Script, controls};

/// An operation of a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BusOp {
    /// `Bus::publish`.
    Publish,
    /// `Bus::subscribe`.
    Subscribe,
}

impl BusOp {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Publish, Self::Subscribe];
}

/// Forwards to a bus, but for the faults it is told; what is delivered is the affair of the bus behind. Clones share bus and
/// faults. See the [module docs](super).
pub struct FaultBus<B> {
    inner: Arc<B>,
    script: Arc<Script<BusOp>>,
    runtime: Runtime,
    is_transactional: bool,
}

impl<B> Clone for FaultBus<B> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            script: self.script.clone(),
            runtime: self.runtime.clone(),
            is_transactional: self.is_transactional,
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for FaultBus<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultBus").field(&self.inner).finish()
    }
}

impl<B: Bus> FaultBus<B> {
    /// Forwards everything until it is told otherwise. `runtime`: the clock of delays, and the tasks of what arrives late.
    #[must_use]
    pub fn new(inner: B, runtime: &Runtime) -> Self {
        let is_transactional = inner.is_transactional();
        Self { inner: Arc::new(inner), script: Arc::new(Script::new()), runtime: runtime.clone(), is_transactional }
    }

    /// Says of itself that database transactions can carry its notices.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.is_transactional = true;
        self
    }

    /// What is behind, past all faults.
    #[must_use]
    pub fn inner(&self) -> &B {
        &self.inner
    }

    controls!(BusOp);
}

impl<B: Bus> Bus for FaultBus<B> {
    type Subscription = B::Subscription;

    async fn publish(&self, op: OpCtx, payload: Bytes) -> Result<Published, Error> {
        let bus = self.inner.clone();
        self.script.travel(&self.runtime, BusOp::Publish, async move { bus.publish(op, payload).await }).await
    }

    async fn subscribe(&self) -> Result<B::Subscription, Error> {
        let fault = self.script.begin(BusOp::Subscribe);
        self.script.here(&self.runtime, fault, self.inner.subscribe()).await
    }

    fn is_transactional(&self) -> bool {
        self.is_transactional
    }
}
