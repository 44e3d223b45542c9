//! The bus contract, and what weather does.

use std::{sync::Mutex, time::Duration};

use unstick_core::{Runtime, bus::Pace};
use unstick_memory::{MemoryBus, MemoryHub};
use unstick_testkit::bus::BusFactory;

/// Each fleet on a hub of its own.
struct Hubs {
    runtime: Runtime,
    hubs: Mutex<Vec<MemoryHub>>,
}

impl Hubs {
    fn new() -> Self {
        Self { runtime: Runtime::tokio(), hubs: Mutex::default() }
    }
}

impl BusFactory for Hubs {
    type Bus = MemoryBus;

    async fn open(&self, nodes: usize) -> Vec<MemoryBus> {
        let hub = MemoryHub::builder().pace(Pace::every(Duration::from_millis(200))).queue(2000).build();
        self.hubs.lock().unwrap().push(hub.clone());
        (0..nodes).map(|_| hub.bus(&self.runtime)).collect()
    }

    fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    fn overflow(&self) -> usize {
        5000
    }

    async fn cut(&self) -> bool {
        self.hubs.lock().unwrap().iter().for_each(|hub| hub.weather().cut());
        true
    }

    async fn restore(&self) {
        self.hubs.lock().unwrap().iter().for_each(|hub| hub.weather().restore());
    }
}

mod contract {
    use super::*;
    unstick_testkit::bus_contract_suite!(Hubs::new());
}

mod weather {
    use bytes::Bytes;
    use unstick_core::{Bus, BusEvent, OpCtx, OpId, Published, Subscription, Timestamp, bus::Inbox};
    use unstick_testkit::clock::ManualClock;

    use super::*;

    fn op() -> OpCtx {
        let now = Timestamp::system_now();
        OpCtx { now, deadline: now + Duration::from_secs(5), op_id: OpId::from_u128(1) }
    }

    async fn say(bus: &MemoryBus, number: u64) -> Published {
        bus.publish(op(), Bytes::copy_from_slice(&number.to_be_bytes())).await.unwrap()
    }

    /// What has arrived by now, notices by their numbers; proofs are left out.
    fn told(heard: &mut Inbox) -> Vec<Result<u64, BusEvent>> {
        let mut all = vec![];
        while let Some(Some(event)) = futures_poll(heard) {
            match event {
                BusEvent::Notice(notice) => all.push(Ok(notice.seq.unwrap())),
                BusEvent::Alive { .. } => {}
                other => all.push(Err(other)),
            }
        }
        all
    }

    /// The next event if there is one.
    fn futures_poll(heard: &mut Inbox) -> Option<Option<BusEvent>> {
        let mut next = std::pin::pin!(heard.next());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match next.as_mut().poll(&mut context) {
            std::task::Poll::Ready(event) => Some(event),
            std::task::Poll::Pending => None,
        }
    }

    /// Lets all tasks run until they only wait for the clock.
    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn lagging_messages_arrive_when_their_time_has_come() {
        let clock = ManualClock::default();
        let hub = MemoryHub::new();
        let (ann, bob) = (hub.bus(&clock.runtime()), hub.bus(&clock.runtime()));
        let mut heard = bob.subscribe().await.unwrap();
        hub.weather().lag(Duration::from_millis(300));
        assert_eq!(say(&ann, 1).await, Published::Confirmed);
        settle().await;
        clock.advance(Duration::from_millis(299));
        settle().await;
        assert_eq!(told(&mut heard), []);
        clock.advance(Duration::from_millis(1));
        settle().await;
        assert_eq!(told(&mut heard), [Ok(1)]);
    }

    #[tokio::test]
    async fn held_messages_arrive_in_order_when_released() {
        let clock = ManualClock::default();
        let hub = MemoryHub::new();
        let (ann, bob) = (hub.bus(&clock.runtime()), hub.bus(&clock.runtime()));
        let mut heard = bob.subscribe().await.unwrap();
        bob.weather().hold();
        say(&ann, 1).await;
        say(&ann, 2).await;
        assert_eq!(told(&mut heard), []);
        bob.weather().release();
        assert_eq!(told(&mut heard), [Ok(1), Ok(2)]);
    }

    #[tokio::test]
    async fn what_is_dropped_shows_at_the_next_number_or_beat() {
        let clock = ManualClock::default();
        let hub = MemoryHub::new();
        let (ann, bob) = (hub.bus(&clock.runtime()), hub.bus(&clock.runtime()));
        let mut heard = bob.subscribe().await.unwrap();
        say(&ann, 1).await;
        settle().await;
        hub.weather().drop_next(1);
        say(&ann, 2).await;
        say(&ann, 3).await;
        assert_eq!(told(&mut heard), [Ok(1), Err(BusEvent::Gap), Ok(3)]);
        hub.weather().drop_next(1);
        say(&ann, 4).await;
        settle().await;
        assert_eq!(told(&mut heard), []);
        for _ in 0..10 {
            clock.advance(Duration::from_secs(1));
            settle().await;
        }
        assert_eq!(told(&mut heard), [Err(BusEvent::Gap)], "by a beat");
    }

    #[tokio::test]
    async fn the_same_seed_gives_the_same_disorder() {
        let order = async |seed| {
            let clock = ManualClock::default();
            let hub = MemoryHub::builder().seed(seed).build();
            let (ann, bob) = (hub.bus(&clock.runtime()), hub.bus(&clock.runtime()));
            let mut heard = bob.subscribe().await.unwrap();
            settle().await;
            hub.weather().reorder_next(10);
            for n in 0..10 {
                say(&ann, n).await;
            }
            let told = told(&mut heard);
            assert!(told.contains(&Err(BusEvent::Gap)), "seed {seed}: {told:?}");
            told.into_iter().filter_map(Result::ok).collect::<Vec<_>>()
        };
        let first = order(7).await;
        assert_eq!(order(7).await, first);
        assert_ne!(order(8).await, first);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=10).collect::<Vec<_>>(), "all of them arrive");
        assert_ne!(sorted, first);
    }

    #[tokio::test]
    async fn silence_is_found_out_within_three_beats() {
        let clock = ManualClock::default();
        let hub = MemoryHub::new();
        let (ann, bob) = (hub.bus(&clock.runtime()), hub.bus(&clock.runtime()));
        let mut heard = bob.subscribe().await.unwrap();
        settle().await;
        bob.weather().silence();
        assert_eq!(say(&bob, 1).await, Published::Unknown);
        assert_eq!(say(&ann, 1).await, Published::Confirmed, "others hear it");
        clock.advance(Duration::from_millis(2999));
        settle().await;
        assert_eq!(told(&mut heard), []);
        clock.advance(Duration::from_millis(1));
        settle().await;
        assert_eq!(told(&mut heard), [Err(BusEvent::Cut)]);
        bob.weather().restore();
        settle().await;
        assert_eq!(told(&mut heard), [Err(BusEvent::Gap), Err(BusEvent::Restored)]);
        say(&ann, 2).await;
        // what was missed shows in the number once more
        assert_eq!(told(&mut heard), [Err(BusEvent::Gap), Ok(2)]);
    }

    #[tokio::test]
    async fn one_node_is_cut_and_the_others_are_not() {
        let clock = ManualClock::default();
        let hub = MemoryHub::new();
        let (ann, bob, eve) = (hub.bus(&clock.runtime()), hub.bus(&clock.runtime()), hub.bus(&clock.runtime()));
        let (mut bobs, mut eves) = (bob.subscribe().await.unwrap(), eve.subscribe().await.unwrap());
        bob.weather().cut();
        say(&ann, 1).await;
        assert!(bob.publish(op(), Bytes::new()).await.is_err());
        assert_eq!((told(&mut bobs), told(&mut eves)), (vec![Err(BusEvent::Cut)], vec![Ok(1)]));
    }

    #[tokio::test]
    async fn everything_goes_with_its_owner() {
        let clock = ManualClock::default();
        let hub = MemoryHub::new();
        let (ann, bob) = (hub.bus(&clock.runtime()), hub.bus(&clock.runtime()));
        let heard = bob.subscribe().await.unwrap();
        settle().await;
        assert_eq!(format!("{hub:?}"), "MemoryHub { nodes: 2 }");
        drop((ann, bob, heard));
        settle().await;
        assert_eq!(format!("{hub:?}"), "MemoryHub { nodes: 0 }");
        assert_eq!(clock.sleepers(), 0, "no task is left");
    }
}
