//! The stores, and how they are asked.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use unstick_core::{Error, ErrorKind, Events, OpCtx, OpId, RecordKey, Runtime, Store, Timestamp};

use crate::{
    entry::Entry,
    health::Health,
    repair::Missed,
    replica::{self, Held},
    verdict::Slot,
};
use std::sync::Arc;

/// Runs a call on the store in a slot.
macro_rules! on {
    ($inner:expr, $slot:expr, $store:ident => $call:expr) => {
        match $slot {
            $crate::verdict::Slot::A => {
                let $store = &$inner.a;
                $call
            }
            $crate::verdict::Slot::B => {
                let $store = &$inner.b;
                $call
            }
            $crate::verdict::Slot::Witness => {
                let $store = &$inner.w;
                $call
            }
        }
    };
}
pub(crate) use on;

/// Numbers that nobody else uses, for operations on the stores.
#[derive(Debug)]
pub(crate) struct Numbers {
    own: u64,
    next: AtomicU64,
}

impl Default for Numbers {
    fn default() -> Self {
        let random = RandomState::new(); // seeded by the operating system, and different each time
        Self { own: random.hash_one(0_u8), next: AtomicU64::new(random.hash_one(1_u8)) }
    }
}

impl Numbers {
    pub(crate) fn next(&self) -> u128 {
        u128::from(self.own) << 64 | u128::from(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[derive(Debug)]
pub(crate) struct Inner<A, B, W> {
    pub(crate) a: A,
    pub(crate) b: B,
    pub(crate) w: W,
    /// Whether `w` is one.
    pub(crate) witness: bool,
    pub(crate) patience: Duration,
    pub(crate) runtime: Runtime,
    pub(crate) events: Events,
    pub(crate) health: [Health; 3],
    pub(crate) missed: Missed,
    pub(crate) numbers: Numbers,
    #[cfg(feature = "mutants")]
    pub(crate) defect: Option<crate::Defect>,
}

/// What is left of an operation's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    ends: Duration,
}

impl<A: Store, B: Store, W: Store> Inner<A, B, W> {
    pub(crate) fn clock(&self, op: &OpCtx) -> Clock {
        Clock { ends: self.runtime.monotonic().saturating_add(op.budget()) }
    }

    pub(crate) fn left(&self, clock: Clock) -> Duration {
        clock.ends.saturating_sub(self.runtime.monotonic())
    }

    /// How long one store may take: with somebody else to ask, not all of it.
    pub(crate) fn limit(&self, clock: Clock, others: bool) -> Duration {
        let left = self.left(clock);
        if others { left.min(self.patience) } else { left }
    }

    pub(crate) fn slots(&self) -> &'static [Slot] {
        if self.witness { &Slot::ALL } else { &Slot::DATA }
    }

    /// Two to ask first. The witness is one of them only while another one rests.
    pub(crate) fn first_two(&self) -> [Slot; 2] {
        let now = self.runtime.monotonic();
        let rests = |slot: Slot| self.health[slot as usize].rests(now);
        match (rests(Slot::A), rests(Slot::B)) {
            (true, false) if self.witness && !rests(Slot::Witness) => [Slot::B, Slot::Witness],
            (false, true) if self.witness && !rests(Slot::Witness) => [Slot::A, Slot::Witness],
            _ => Slot::DATA,
        }
    }

    /// The operation under a number of its own: stores remember operations, and one of ours may take several of theirs.
    pub(crate) fn own(&self, op: &OpCtx) -> OpCtx {
        OpCtx { op_id: OpId::from_u128(self.numbers.next()), ..*op }
    }

    pub(crate) async fn within<T>(&self, slot: Slot, limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            () = self.runtime.sleep(limit) => Err(Error::new(ErrorKind::Timeout, "a store of a replicated pair did not answer in time")),
        };
        let health = &self.health[slot as usize];
        match &answer {
            Ok(_) => {
                health.answers();
                health.availability.answers(&self.events, &self.told(slot, "answers again"));
            }
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Interrupted) => {
                health.fails(self.runtime.monotonic());
                health.availability.fails(&self.events, &self.told(slot, error.kind().as_str()));
            }
            Err(_) => {}
        }
        answer
    }

    /// What an event says of one store.
    pub(crate) fn told(&self, slot: Slot, what: &str) -> impl fmt::Display {
        let name = on!(self, slot, store => store.name());
        let place = match slot {
            Slot::A => "a",
            Slot::B => "b",
            Slot::Witness => "witness",
        };
        fmt::from_fn(move |f| write!(f, "replicated, {place} ({name}): {what}"))
    }

    pub(crate) async fn read(&self, op: &OpCtx, key: RecordKey, slot: Slot, limit: Duration) -> Result<Held, Error> {
        let op = self.own(op);
        on!(self, slot, store => self.within(slot, limit, replica::read(store, op, key)).await)
    }

    /// What the store holds then; `None` when somebody else was faster.
    pub(crate) async fn accept(
        &self,
        op: &OpCtx,
        key: RecordKey,
        slot: Slot,
        base: &Held,
        entry: &Arc<Entry>,
        limit: Duration,
    ) -> Result<Option<Held>, Error> {
        let (op, witness) = (self.own(op), slot == Slot::Witness);
        on!(self, slot, store => self.within(slot, limit, replica::accept(store, op, key, base, entry, witness)).await)
    }

    pub(crate) async fn bury(
        &self,
        op: &OpCtx,
        key: RecordKey,
        slot: Slot,
        at: Timestamp,
        until: Timestamp,
        limit: Duration,
    ) -> Result<Held, Error> {
        let op = self.own(op);
        on!(self, slot, store => self.within(slot, limit, replica::bury(store, op, key, at, until)).await)
    }

    #[cfg(feature = "mutants")]
    pub(crate) fn has(&self, defect: crate::Defect) -> bool {
        self.defect == Some(defect)
    }
}
