//! Every way in which a bus may be broken is caught by the bus contract, and the correct bus is not.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use bytes::Bytes;
use unstick_core::{
    Bus, BusEvent, Error, Notice, OpCtx, Published, PublisherId, Runtime, Subscription,
    bus::{Inbox, Pace},
};
use unstick_memory::{MemoryBus, MemoryHub};
use unstick_testkit::bus::{self, BusFactory};

const BEAT: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    /// Every fifth notice is lost, and its number is given to the next.
    DropsSilently,
    /// Two notices change places.
    Reorders,
    /// A node hears itself.
    DeliversOwn,
    /// Says that it is alive whenever nothing comes.
    AliveWithoutEcho,
    /// Holds notices back until something else comes.
    AliveTooEarly,
    /// What was missed while cut is not told.
    RestoredWithoutGap,
    /// A full queue is nobody's business.
    OverflowsSilently,
    /// Takes silence for good news.
    NeverCut,
    /// A cut is published into, and that is fine.
    ConfirmsAnything,
    /// Numbers are not kept.
    NumbersAtRandom,
    /// Long payloads are cut short.
    Truncates,
    /// Goes on for ever.
    NeverEnds,
}

/// Which case must catch it: not any failure will do.
const CAUGHT_BY: [(Defect, &str); 12] = [
    (Defect::DropsSilently, "delivery::notices_arrive_in_order"),
    (Defect::Reorders, "delivery::notices_arrive_in_order"),
    (Defect::DeliversOwn, "delivery::own_notices_are_not_delivered"),
    (Defect::AliveWithoutEcho, "cuts::nothing_is_proven_while_cut"),
    (Defect::AliveTooEarly, "proofs::alive_is_no_promise_too_early"),
    (Defect::RestoredWithoutGap, "cuts::back_means_gap_then_restored"),
    (Defect::OverflowsSilently, "proofs::overflow_is_a_gap"),
    (Defect::NeverCut, "cuts::a_cut_is_told"),
    (Defect::ConfirmsAnything, "cuts::publishing_while_cut_is_not_confirmed"),
    (Defect::NumbersAtRandom, "delivery::numbers_are_consecutive"),
    (Defect::Truncates, "delivery::payloads_of_all_sizes"),
    (Defect::NeverEnds, "endings::the_subscription_ends_with_the_bus"),
];

#[derive(Debug)]
struct Broken {
    inner: MemoryBus,
    defect: Defect,
    runtime: Runtime,
    own: tokio::sync::broadcast::Sender<Bytes>,
}

#[derive(Debug)]
struct Heard {
    inner: Inbox,
    defect: Defect,
    runtime: Runtime,
    me: PublisherId,
    own: tokio::sync::broadcast::Receiver<Bytes>,
    waiting: VecDeque<BusEvent>,
    count: u64,
}

impl Bus for Broken {
    type Subscription = Heard;

    async fn publish(&self, op: OpCtx, payload: Bytes) -> Result<Published, Error> {
        if self.defect == Defect::DeliversOwn {
            _ = self.own.send(payload.clone());
        }
        match self.inner.publish(op, payload).await {
            Err(_) if self.defect == Defect::ConfirmsAnything => Ok(Published::Confirmed),
            published => published,
        }
    }

    async fn subscribe(&self) -> Result<Heard, Error> {
        let (inner, own) = (self.inner.subscribe().await?, self.own.subscribe());
        let (defect, runtime, me) = (self.defect, self.runtime.clone(), self.inner.publisher());
        Ok(Heard { inner, defect, runtime, me, own, waiting: VecDeque::new(), count: 0 })
    }
}

impl Heard {
    async fn healthy(&mut self) -> Option<BusEvent> {
        match self.waiting.pop_front() {
            Some(event) => Some(event),
            None => self.inner.next().await,
        }
    }
}

impl Subscription for Heard {
    async fn next(&mut self) -> Option<BusEvent> {
        if self.defect == Defect::DeliversOwn
            && let Ok(payload) = self.own.try_recv()
        {
            return Some(BusEvent::Notice(Notice { publisher: self.me, incarnation: 1, seq: Some(1), payload }));
        }
        if self.defect == Defect::AliveWithoutEcho {
            let now = self.runtime.monotonic();
            return tokio::select! {
                biased;
                event = self.healthy() => event,
                () = tokio::time::sleep(BEAT) => Some(BusEvent::Alive { as_of: now }),
            };
        }
        loop {
            let mut event = self.healthy().await;
            if let Some(BusEvent::Notice(notice)) = &mut event {
                self.count += 1;
                match self.defect {
                    Defect::DropsSilently if self.count.is_multiple_of(5) => continue,
                    Defect::DropsSilently => notice.seq = Some(self.count),
                    Defect::NumbersAtRandom => notice.seq = Some(self.count * 7 % 5),
                    Defect::Truncates => notice.payload.truncate(60_000),
                    Defect::Reorders if self.count % 10 == 3 => {
                        if let Some(later @ BusEvent::Notice(_)) = self.inner.next().await {
                            self.waiting.extend(event);
                            return Some(later);
                        }
                    }
                    // a proof overtakes it
                    Defect::AliveTooEarly if self.waiting.is_empty() => {
                        let as_of = self.runtime.monotonic() + BEAT;
                        self.waiting.extend(event);
                        return Some(BusEvent::Alive { as_of });
                    }
                    _ => {}
                }
            }
            let missing = match &event {
                Some(BusEvent::Gap) => matches!(self.defect, Defect::RestoredWithoutGap | Defect::OverflowsSilently),
                Some(BusEvent::Cut) => self.defect == Defect::NeverCut,
                None if self.defect == Defect::NeverEnds => std::future::pending().await,
                _ => false,
            };
            if !missing {
                return event;
            }
        }
    }
}

/// Each fleet on a hub of its own.
struct Fleets {
    defect: Defect,
    runtime: Runtime,
    hubs: Mutex<Vec<MemoryHub>>,
}

impl Fleets {
    fn new(defect: Defect) -> Self {
        Self { defect, runtime: Runtime::tokio(), hubs: Mutex::default() }
    }
}

impl BusFactory for Fleets {
    type Bus = Broken;

    async fn open(&self, nodes: usize) -> Vec<Broken> {
        let hub = MemoryHub::builder().pace(Pace::every(BEAT)).queue(2000).build();
        self.hubs.lock().unwrap().push(hub.clone());
        let (defect, runtime) = (self.defect, &self.runtime);
        let bus = |_| Broken { inner: hub.bus(runtime), defect, runtime: runtime.clone(), own: tokio::sync::broadcast::Sender::new(16) };
        (0..nodes).map(bus).collect()
    }

    fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    fn overflow(&self) -> usize {
        5000
    }

    fn many(&self) -> usize {
        50
    }

    fn patience(&self) -> Duration {
        // broken buses make it pass
        Duration::from_secs(if self.defect == Defect::None { 60 } else { 5 })
    }

    async fn cut(&self) -> bool {
        self.hubs.lock().unwrap().iter().for_each(|hub| hub.weather().cut());
        true
    }

    async fn restore(&self) {
        self.hubs.lock().unwrap().iter().for_each(|hub| hub.weather().restore());
    }
}

mod correct_bus {
    use super::*;
    unstick_testkit::bus_contract_suite!(Fleets::new(Defect::None));
}

/// Only the case that must catch it is run: a bus that never says something makes the others wait as long as they can.
#[test]
fn every_defect_is_caught_by_its_case() {
    std::thread::scope(|scope| {
        for (defect, case) in CAUGHT_BY {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let report = runtime.block_on(bus::run_some(&Fleets::new(defect), |name| name == case));
                assert_eq!(report.len(), 1, "{case} is a case");
                assert!(report.failed().any(|(name, _)| name == case), "{defect:?} was not caught by {case}");
            });
        }
    });
}
