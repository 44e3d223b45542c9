//! What a case works with: buses, and helpers to publish and to listen.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use unstick_core::{Bus, BusEvent, Error, Notice, OpCtx, OpId, Published, Runtime, Subscription, Timestamp};

use crate::contract::{Failure, Outcome};

/// Opens buses for the suite. Implement it for the bus under test.
pub trait BusFactory: Send + Sync {
    /// The bus under test.
    type Bus: Bus;

    /// Opens buses for so many nodes, which hear each other and nobody else: a channel, prefix or hub of their own each time. From
    /// some dozens on, they may share connections.
    fn open(&self, nodes: usize) -> impl Future<Output = Vec<Self::Bus>> + Send;

    /// The runtime that the buses were given: [`BusEvent::Alive`] is judged by its clock. Its time must pass by itself.
    fn runtime(&self) -> Runtime {
        Runtime::tokio()
    }

    /// The longest payload that must get through; longer ones are refused when [`Self::is_limited`]. Default 64 KiB.
    fn longest(&self) -> usize {
        65_536
    }

    /// Whether one byte more than [`Self::longest`] must be refused. Default no.
    fn is_limited(&self) -> bool {
        false
    }

    /// How many notices a subscription that takes none has certainly no room for. Default 10 000.
    fn overflow(&self) -> usize {
        10_000
    }

    /// How many publishers the case with many of them has. Default 1000.
    fn many(&self) -> usize {
        1000
    }

    /// How long anything may take before the bus is said not to do it. Default one minute: machines are busy when they test.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Breaks the connections of all buses that were opened, until [`Self::restore`]; `false` when it cannot, which leaves the
    /// cases about it out. Default: it cannot.
    fn cut(&self) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// Mends what [`Self::cut`] broke.
    fn restore(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What was heard until something came.
#[derive(Debug, Default)]
pub struct Heard {
    /// The notices, in order.
    pub notices: Vec<Notice>,
    /// Whether anything may have been missed.
    pub gap: bool,
}

impl Heard {
    /// The payloads as numbers, as [`Bench::publish_number`] writes them.
    #[must_use]
    pub fn numbers(&self) -> Vec<u64> {
        self.notices.iter().map(|notice| number(&notice.payload)).collect()
    }
}

/// The number in a payload; `u64::MAX` when there is none.
#[must_use]
pub(super) fn number(payload: &[u8]) -> u64 {
    payload.first_chunk().map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes))
}

/// A factory and counters. Every case gets its own.
#[derive(Debug)]
pub struct Bench<'a, F> {
    pub(super) factory: &'a F,
    runtime: Runtime,
    ops: AtomicU64,
}

impl<'a, F: BusFactory> Bench<'a, F> {
    /// With buses from the factory.
    pub fn new(factory: &'a F) -> Self {
        Self { factory, runtime: factory.runtime(), ops: AtomicU64::new(1) }
    }

    /// The time by which proofs of life are judged.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.runtime.monotonic()
    }

    /// A new operation with plenty of time.
    pub fn op(&self) -> OpCtx {
        let now = Timestamp::system_now();
        OpCtx { now, deadline: now + self.factory.patience(), op_id: OpId::from_u128(u128::from(self.ops.fetch_add(1, Ordering::Relaxed))) }
    }

    /// Two buses.
    ///
    /// # Errors
    /// When the factory opens another number.
    pub async fn pair(&self) -> Result<[F::Bus; 2], Failure> {
        self.factory.open(2).await.try_into().map_err(|_| Failure::new("the factory opened another number of buses than 2"))
    }

    /// Publishes a number.
    ///
    /// # Errors
    /// As the bus.
    pub async fn publish_number(&self, bus: &F::Bus, number: u64) -> Result<Published, Error> {
        bus.publish(self.op(), Bytes::copy_from_slice(&number.to_be_bytes())).await
    }

    /// Publishes numbers, each confirmed.
    ///
    /// # Errors
    /// When one is not.
    pub async fn publish_numbers(&self, bus: &F::Bus, numbers: impl IntoIterator<Item = u64>) -> Outcome {
        for number in numbers {
            let published = self.publish_number(bus, number).await?;
            crate::contract::outcome::check_eq!(published, Published::Confirmed, "notice {number}");
        }
        Ok(())
    }

    /// The next event.
    ///
    /// # Errors
    /// When none comes, or the subscription ends.
    pub async fn next(&self, from: &mut impl Subscription) -> Result<BusEvent, Failure> {
        match self.next_or_end(from).await? {
            Some(event) => Ok(event),
            None => Err(Failure::new("the subscription ended")),
        }
    }

    /// The next event, or `None` at the end.
    ///
    /// # Errors
    /// When neither comes.
    pub async fn next_or_end(&self, from: &mut impl Subscription) -> Result<Option<BusEvent>, Failure> {
        let patience = self.factory.patience();
        tokio::time::timeout(patience, from.next()).await.map_err(|_| Failure::new(format!("no event within {patience:?}")))
    }

    /// Listens until a notice with this number.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn hear_until(&self, from: &mut impl Subscription, last: u64) -> Result<Heard, Failure> {
        let mut heard = Heard::default();
        loop {
            match self.next(from).await? {
                BusEvent::Notice(notice) => {
                    let done = number(&notice.payload) == last;
                    heard.notices.push(notice);
                    if done {
                        return Ok(heard);
                    }
                }
                BusEvent::Gap | BusEvent::Cut => heard.gap = true,
                _ => {}
            }
        }
    }

    /// Repeats an attempt until it says that nothing was told as lost, ten times at most.
    ///
    /// # Errors
    /// When an attempt fails, or all of them were disturbed.
    pub async fn undisturbed(&self, mut attempt: impl AsyncFnMut(u64) -> Result<bool, Failure>) -> Outcome {
        for n in 0..10 {
            if attempt(n).await? {
                return Ok(());
            }
        }
        Err(Failure::new("a gap was told in each of ten attempts"))
    }
}
