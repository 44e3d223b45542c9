//! A level and a bus whose answers come steps after the deed, and which sometimes fail before or after it.

use std::time::Duration;

use bytes::Bytes;
use unstick_core::{Bus, Error, ErrorKind, Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, OpCtx, Published, Target, Want};

use super::Handle;

/// How a call fares on its way.
#[derive(Debug, Clone)]
struct Road {
    at: Handle,
    /// One of so many calls fails; zero: none.
    fails: usize,
}

impl Road {
    fn fails(&self) -> bool {
        self.fails > 0 && self.at.once_in(self.fails)
    }

    /// There, the deed, and back. A call that fails was carried out, or was not.
    async fn travel<T>(&self, call: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
        self.at.yield_some(3).await;
        if self.fails() {
            return Err(Error::new(ErrorKind::Unavailable, "the call was lost on its way"));
        }
        let answer = call.await;
        self.at.yield_some(3).await;
        if self.fails() {
            return Err(Error::new(ErrorKind::Unavailable, "the answer was lost on its way"));
        }
        answer
    }
}

/// A level around any other: other tasks may run between a call, its deed and its answer.
#[derive(Debug, Clone)]
pub struct TornLevel<L> {
    inner: L,
    road: Road,
}

impl<L> TornLevel<L> {
    /// Around `inner`; nothing fails.
    pub fn new(at: &Handle, inner: L) -> Self {
        Self { inner, road: Road { at: at.clone(), fails: 0 } }
    }

    /// About two of `n` calls fail: one before it was carried out, one after. Zero: none.
    #[must_use]
    pub fn failing(mut self, n: usize) -> Self {
        self.road.fails = n;
        self
    }
}

impl<L: Level> Level for TornLevel<L> {
    async fn read(&self, op: OpCtx, key: &LevelKey, schema: u32) -> Result<Option<LevelValue>, Error> {
        self.road.travel(self.inner.read(op, key, schema)).await
    }

    async fn read_or_lease(&self, op: OpCtx, key: &LevelKey, want: &Want) -> Result<Looked, Error> {
        self.road.travel(self.inner.read_or_lease(op, key, want)).await
    }

    async fn extend(&self, op: OpCtx, key: &LevelKey, schema: u32, token: LeaseToken, lease: Duration) -> Result<bool, Error> {
        self.road.travel(self.inner.extend(op, key, schema, token, lease)).await
    }

    async fn fill(&self, op: OpCtx, key: &LevelKey, lease: Held, value: &LevelValue) -> Result<Filled, Error> {
        self.road.travel(self.inner.fill(op, key, lease, value)).await
    }

    async fn release(&self, op: OpCtx, key: &LevelKey, lease: Held) -> Result<bool, Error> {
        self.road.travel(self.inner.release(op, key, lease)).await
    }

    async fn invalidate(&self, op: OpCtx, target: &Target) -> Result<(), Error> {
        self.road.travel(self.inner.invalidate(op, target)).await
    }
}

/// A bus around any other: other tasks may run between a call, its deed and its answer. What is delivered is the inner bus's affair.
#[derive(Debug, Clone)]
pub struct TornBus<B> {
    inner: B,
    road: Road,
}

impl<B> TornBus<B> {
    /// Around `inner`; nothing fails.
    pub fn new(at: &Handle, inner: B) -> Self {
        Self { inner, road: Road { at: at.clone(), fails: 0 } }
    }

    /// About two of `n` calls fail: one that was not sent, and one that was and is answered [`Published::Unknown`]. Zero: none.
    #[must_use]
    pub fn failing(mut self, n: usize) -> Self {
        self.road.fails = n;
        self
    }
}

impl<B: Bus> Bus for TornBus<B> {
    type Subscription = B::Subscription;

    async fn publish(&self, op: OpCtx, payload: Bytes) -> Result<Published, Error> {
        self.road.at.yield_some(3).await;
        if self.road.fails() {
            return Err(Error::new(ErrorKind::Unavailable, "the notice was not sent"));
        }
        let answer = self.inner.publish(op, payload).await;
        self.road.at.yield_some(3).await;
        if self.road.fails() { answer.map(|_| Published::Unknown) } else { answer }
    }

    async fn subscribe(&self) -> Result<B::Subscription, Error> {
        self.road.at.yield_some(3).await;
        self.inner.subscribe().await
    }

    fn is_transactional(&self) -> bool {
        self.inner.is_transactional()
    }
}
