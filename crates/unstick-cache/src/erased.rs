//! Level and bus behind one pointer each: a namespace is not generic, and each call is a trip to a backend anyway.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use unstick_core::{
    BoxFuture, Bus, BusEvent, Error, Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, OpCtx, Published, Subscription, Target,
    Want,
};

pub(crate) type AnyLevel = Arc<dyn ErasedLevel>;
pub(crate) type AnyBus = Arc<dyn ErasedBus>;
pub(crate) type AnySubscription = Box<dyn ErasedSubscription>;

pub(crate) trait ErasedLevel: fmt::Debug + Send + Sync {
    fn read<'a>(&'a self, op: OpCtx, key: &'a LevelKey, schema: u32) -> BoxFuture<'a, Result<Option<LevelValue>, Error>>;
    fn read_or_lease<'a>(&'a self, op: OpCtx, key: &'a LevelKey, want: &'a Want) -> BoxFuture<'a, Result<Looked, Error>>;
    fn extend<'a>(
        &'a self,
        op: OpCtx,
        key: &'a LevelKey,
        schema: u32,
        token: LeaseToken,
        lease: Duration,
    ) -> BoxFuture<'a, Result<bool, Error>>;
    fn fill<'a>(&'a self, op: OpCtx, key: &'a LevelKey, lease: Held, value: &'a LevelValue) -> BoxFuture<'a, Result<Filled, Error>>;
    fn release<'a>(&'a self, op: OpCtx, key: &'a LevelKey, lease: Held) -> BoxFuture<'a, Result<bool, Error>>;
    fn invalidate<'a>(&'a self, op: OpCtx, target: &'a Target) -> BoxFuture<'a, Result<(), Error>>;
}

impl<L: Level> ErasedLevel for L {
    fn read<'a>(&'a self, op: OpCtx, key: &'a LevelKey, schema: u32) -> BoxFuture<'a, Result<Option<LevelValue>, Error>> {
        Box::pin(Level::read(self, op, key, schema))
    }

    fn read_or_lease<'a>(&'a self, op: OpCtx, key: &'a LevelKey, want: &'a Want) -> BoxFuture<'a, Result<Looked, Error>> {
        Box::pin(Level::read_or_lease(self, op, key, want))
    }

    fn extend<'a>(
        &'a self,
        op: OpCtx,
        key: &'a LevelKey,
        schema: u32,
        token: LeaseToken,
        lease: Duration,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(Level::extend(self, op, key, schema, token, lease))
    }

    fn fill<'a>(&'a self, op: OpCtx, key: &'a LevelKey, lease: Held, value: &'a LevelValue) -> BoxFuture<'a, Result<Filled, Error>> {
        Box::pin(Level::fill(self, op, key, lease, value))
    }

    fn release<'a>(&'a self, op: OpCtx, key: &'a LevelKey, lease: Held) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(Level::release(self, op, key, lease))
    }

    fn invalidate<'a>(&'a self, op: OpCtx, target: &'a Target) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(Level::invalidate(self, op, target))
    }
}

pub(crate) trait ErasedBus: fmt::Debug + Send + Sync {
    fn publish(&self, op: OpCtx, payload: Bytes) -> BoxFuture<'_, Result<Published, Error>>;
    fn subscribe(&self) -> BoxFuture<'_, Result<AnySubscription, Error>>;
    fn is_transactional(&self) -> bool;
}

impl<B: Bus> ErasedBus for B {
    fn publish(&self, op: OpCtx, payload: Bytes) -> BoxFuture<'_, Result<Published, Error>> {
        Box::pin(Bus::publish(self, op, payload))
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<AnySubscription, Error>> {
        Box::pin(async { Ok(Box::new(Bus::subscribe(self).await?) as AnySubscription) })
    }

    fn is_transactional(&self) -> bool {
        Bus::is_transactional(self)
    }
}

pub(crate) trait ErasedSubscription: fmt::Debug + Send {
    fn next(&mut self) -> BoxFuture<'_, Option<BusEvent>>;
}

impl<S: Subscription> ErasedSubscription for S {
    fn next(&mut self) -> BoxFuture<'_, Option<BusEvent>> {
        Box::pin(Subscription::next(self))
    }
}
