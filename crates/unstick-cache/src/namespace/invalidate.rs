//! Invalidation: here at once, then in the level, then on the other nodes, and with the client being served.

use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use unstick_core::{OpCtx, OpId, PendingGuard, Published, Target};

use super::{
    hook::Reached,
    retry::Job,
    shared::{Shared, op_of},
};
use crate::{
    distrust::Unheard,
    mark::{Mark, MarkId, Print},
    notice::Message,
    stats::count,
    writes::{Carried, ClientWrites},
};

/// How far an invalidation has got when [`invalidate`](crate::Cache::invalidate) returns. On this node it is always in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidated {
    /// In the shared level.
    pub level: Confirmation,
    /// On the bus.
    pub bus: Confirmation,
    /// Whether the client being served takes it along to other nodes, see [`writes`](crate::writes).
    pub client: Carried,
}

/// Whether a part of the way was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmation {
    /// It was.
    Confirmed,
    /// Not yet: it is repeated in the background until it is.
    Pending,
    /// There is no such part.
    Absent,
}

impl Confirmation {
    const fn of(done: bool) -> Self {
        if done { Self::Confirmed } else { Self::Pending }
    }
}

/// In effect here once polled for the first time; the rest is done even if the caller stops waiting.
pub(crate) async fn invalidate(shared: &Arc<Shared>, targets: Arc<[Target]>) -> Invalidated {
    invalidate_as(shared, shared.next_id(), targets, Unheard::New).await
}

/// Under a name that others may have heard of already.
pub(super) async fn invalidate_known(shared: &Arc<Shared>, id: MarkId, targets: Arc<[Target]>) -> Invalidated {
    invalidate_as(shared, id, targets, Unheard::Known).await
}

async fn invalidate_as(shared: &Arc<Shared>, id: MarkId, targets: Arc<[Target]>, unheard: fn(OpId) -> Unheard) -> Invalidated {
    let op_id = op_of(id);
    let has_level = shared.level.is_some();
    let prints: Arc<[Print]> = targets.iter().map(Print::of).collect();
    for print in &*prints {
        shared.invalidate_here(*print, has_level.then(|| unheard(op_id)));
    }
    shared.applied.insert(id);
    count(&shared.counters.invalidations);
    shared.call_hooks(&targets, Reached::Local);
    // before anything is awaited: a handler that stops waiting answers its client all the same
    let mark = |level_pending, bus_pending| Mark { id, prints: prints.clone(), level_pending, bus_pending };
    let client = ClientWrites::record_current(mark(has_level, shared.bus.is_some()));
    if !has_level && shared.bus.is_none() {
        return Invalidated { level: Confirmation::Absent, bus: Confirmation::Absent, client };
    }

    let (done, told) = oneshot::channel();
    let task = {
        let (shared, own) = (shared.clone(), shared.pending.enter());
        async move {
            _ = done.send(spread(&shared, id, op_id, targets, own).await);
        }
    };
    shared.runtime.spawn(Box::pin(task));
    let Ok((level, bus)) = told.await else {
        // the process is shutting down
        return Invalidated { level: Confirmation::Pending, bus: Confirmation::Pending, client };
    };
    if client == Carried::Yes {
        // when the headers have left meanwhile, the client has it as not confirmed, which is on the safe side
        ClientWrites::record_current(mark(level == Confirmation::Pending, bus == Confirmation::Pending));
    }
    Invalidated { level, bus, client }
}

async fn spread(shared: &Arc<Shared>, id: MarkId, op_id: OpId, targets: Arc<[Target]>, own: PendingGuard) -> (Confirmation, Confirmation) {
    let level = match &shared.level {
        None => Confirmation::Absent,
        Some(side) => Confirmation::of(side.invalidate(op_id, &targets).await),
    };
    if level == Confirmation::Confirmed {
        for target in &*targets {
            shared.confirmed(Print::of(target), op_id);
        }
    }
    let needs_level = level == Confirmation::Pending;
    let bus = match &shared.bus {
        None => Confirmation::Absent,
        Some(_) => {
            let message = Message::Invalidated { namespace: shared.hash, id, targets: targets.clone(), level_pending: needs_level };
            Confirmation::of(publish(shared, &message).await)
        }
    };
    let needs_bus = bus == Confirmation::Pending;
    if needs_level {
        count(&shared.counters.level_pending);
    }
    if needs_bus {
        count(&shared.counters.bus_pending);
    }
    if needs_level || needs_bus {
        shared.retries.push(shared, Job { id, targets, needs_level, needs_bus, _own: Some(own) });
    }
    (level, bus)
}

/// Whether the bus has confirmed it.
pub(crate) async fn publish(shared: &Shared, message: &Message) -> bool {
    let Some(bus) = &shared.bus else { return true };
    let now = shared.runtime.wall();
    let op = OpCtx { now, deadline: now + shared.bus_deadline, op_id: op_of(shared.next_id()) };
    let limit = std::pin::pin!(shared.runtime.sleep(shared.bus_deadline));
    match select(bus.publish(op, message.encode()), limit).await {
        Either::Left((answer, _)) => matches!(answer, Ok(Published::Confirmed)),
        Either::Right(_) => false,
    }
}
