//! Takes in what the bus delivers, for as long as the namespace lives. Never gives up.

use std::{
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::{Either, select};
use tokio::sync::watch;
use unstick_core::{BusEvent, EventKind};

use super::shared::Shared;
use crate::{entry::nanos, erased::AnySubscription, stats::count, sync::Ordering};

const PAUSE: Duration = Duration::from_millis(250);

/// Listens, once the bus can be reached.
pub(crate) async fn run(shared: Weak<Shared>, alive: watch::Receiver<()>, first: Option<AnySubscription>) {
    let mut gone = alive.clone();
    _ = select(pin!(listen(shared, first)), pin!(gone.changed())).await;
}

async fn listen(weak: Weak<Shared>, mut subscription: Option<AnySubscription>) {
    loop {
        if let Some(mut subscription) = subscription.take() {
            while let Some(event) = subscription.next().await {
                let Some(shared) = weak.upgrade() else { return };
                take_in(&shared, event);
            }
            let Some(shared) = weak.upgrade() else { return };
            take_in(&shared, BusEvent::Cut);
            // one that ends as soon as it has begun is not asked again without a pause
            let pause = shared.runtime.sleep(PAUSE);
            drop(shared);
            pause.await;
        }
        subscription = {
            let Some(shared) = weak.upgrade() else { return };
            let fresh = subscribe(&shared).await;
            if fresh.is_none() {
                let pause = shared.runtime.sleep(PAUSE);
                drop(shared);
                pause.await;
            }
            fresh
        };
    }
}

/// A subscription, if there is one within a moment. What was missed before counts as a gap.
async fn subscribe(shared: &Arc<Shared>) -> Option<AnySubscription> {
    let subscription = first(shared).await?;
    shared.gap("subscribed again", is_transactional(shared));
    Some(subscription)
}

/// The first subscription: before it nothing is in the process that could be stale.
pub(super) async fn first(shared: &Arc<Shared>) -> Option<AnySubscription> {
    let bus = shared.bus.as_ref()?;
    let limit = pin!(shared.runtime.sleep(shared.bus_deadline * 4));
    match select(bus.subscribe(), limit).await {
        Either::Left((subscription, _)) => subscription.ok(),
        Either::Right(_) => None,
    }
}

fn is_transactional(shared: &Shared) -> bool {
    shared.bus.as_ref().is_some_and(|bus| bus.is_transactional())
}

fn take_in(shared: &Shared, event: BusEvent) {
    match event {
        BusEvent::Notice(notice) => shared.receive(&notice.payload, notice.seq.is_none()),
        BusEvent::Gap => shared.gap("the bus may have lost notices", is_transactional(shared)),
        BusEvent::Cut => {
            if shared.current_until.swap(0, Ordering::AcqRel) != 0 {
                count(&shared.counters.cuts);
                shared.wakes.wake_all();
                shared.events.emit(EventKind::CacheCut, None, "");
            }
        }
        BusEvent::Restored => shared.events.emit(EventKind::CacheRestored, None, ""),
        BusEvent::Alive { as_of } => {
            // nothing is known of what is to come, not even from a bus whose clock is another one
            let until = nanos(as_of).min(shared.now()).saturating_add(shared.alive_for);
            shared.current_until.fetch_max(until, Ordering::AcqRel);
        }
        _ => shared.gap("an event that this release does not know", false),
    }
}
