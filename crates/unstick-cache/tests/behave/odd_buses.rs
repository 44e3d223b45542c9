//! Buses that do what their contract does not allow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use unstick_cache::Namespace;
use unstick_core::{Bus, BusEvent, Error, OpCtx, Published, Runtime, Subscription};

use super::world::{HOUR, SECOND, play};

/// A bus that takes subscriptions and ends them at once.
#[derive(Debug, Default, Clone)]
struct Ending(Arc<AtomicU64>);

#[derive(Debug)]
struct Ended;

impl Subscription for Ended {
    async fn next(&mut self) -> Option<BusEvent> {
        None
    }
}

impl Bus for Ending {
    type Subscription = Ended;

    async fn publish(&self, _: OpCtx, _: Bytes) -> Result<Published, Error> {
        Ok(Published::Confirmed)
    }

    async fn subscribe(&self) -> Result<Ended, Error> {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) < 1000, "without a pause");
        Ok(Ended)
    }
}

#[test]
fn a_subscription_that_ends_is_not_renewed_without_a_pause() {
    play(|at| async move {
        let bus = Ending::default();
        let namespace = Namespace::builder("shop").runtime(at.runtime()).bus(bus.clone()).build().await.unwrap();
        at.sleep(10 * SECOND).await;
        let subscriptions = bus.0.load(Ordering::SeqCst);
        assert!((10..=100).contains(&subscriptions), "{subscriptions}");
        assert!(!namespace.is_current());
    });
}

/// A bus whose clock has run for longer than the node's, and which falls silent after one sign of life.
#[derive(Debug, Clone)]
struct Older(Runtime);

#[derive(Debug)]
struct OneSign(Option<Duration>);

impl Subscription for OneSign {
    async fn next(&mut self) -> Option<BusEvent> {
        match self.0.take() {
            Some(as_of) => Some(BusEvent::Alive { as_of }),
            None => std::future::pending().await,
        }
    }
}

impl Bus for Older {
    type Subscription = OneSign;

    async fn publish(&self, _: OpCtx, _: Bytes) -> Result<Published, Error> {
        Ok(Published::Confirmed)
    }

    async fn subscribe(&self) -> Result<OneSign, Error> {
        Ok(OneSign(Some(self.0.monotonic() + HOUR)))
    }
}

#[test]
fn a_bus_with_a_clock_of_its_own_does_not_vouch_for_the_time_to_come() {
    play(|at| async move {
        let namespace = Namespace::builder("shop").runtime(at.runtime()).bus(Older(at.runtime())).build().await.unwrap();
        at.sleep(SECOND).await;
        assert!(namespace.is_current());
        at.sleep(3 * SECOND).await;
        assert!(!namespace.is_current());
    });
}
