//! Invalidation notices between nodes: ordered, numbered, and honest about gaps.
//!
//! A subscriber is told when it may have missed something ([`BusEvent::Gap`], [`BusEvent::Cut`]); a cache then flushes or
//! revalidates, and clamps its lifetimes while cut. And it is told again and again up to when it has seen everything
//! ([`BusEvent::Alive`]), because a connection that is silent and one that is dead look the same. No wall clock takes part.
//!
//! ```
//! use std::sync::Mutex;
//! use bytes::Bytes;
//! use tokio::sync::mpsc;
//! use unstick_core::*;
//!
//! /// A bus within one process.
//! #[derive(Debug, Default)]
//! struct Local(Mutex<(u64, Vec<mpsc::UnboundedSender<BusEvent>>)>);
//! #[derive(Debug)]
//! struct Listener(mpsc::UnboundedReceiver<BusEvent>);
//! impl Subscription for Listener {
//!     async fn next(&mut self) -> Option<BusEvent> { self.0.recv().await }
//! }
//! impl Bus for Local {
//!     type Subscription = Listener;
//!     async fn publish(&self, _: OpCtx, payload: Bytes) -> Result<Published, Error> {
//!         let mut inner = self.0.lock().unwrap();
//!         inner.0 += 1;
//!         let notice = Notice { publisher: PublisherId(1), incarnation: 1, seq: Some(inner.0), payload };
//!         inner.1.retain(|to| to.send(BusEvent::Notice(notice.clone())).is_ok());
//!         Ok(Published::Confirmed)
//!     }
//!     async fn subscribe(&self) -> Result<Listener, Error> {
//!         let (to, from) = mpsc::unbounded_channel();
//!         self.0.lock().unwrap().1.push(to);
//!         Ok(Listener(from))
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (bus, now) = (Local::default(), Timestamp::system_now());
//! let mut listener = bus.subscribe().await.unwrap();
//! let op = OpCtx { now, deadline: now, op_id: OpId::from_u128(1) };
//! assert_eq!(bus.publish(op, Bytes::from_static(b"cart:7")).await.unwrap(), Published::Confirmed);
//! let Some(BusEvent::Notice(notice)) = listener.next().await else { panic!("a notice") };
//! assert_eq!((notice.seq, &notice.payload[..]), (Some(1), &b"cart:7"[..]));
//! # });
//! ```

use std::{fmt, future::Future, time::Duration};

use bytes::Bytes;

use crate::{Error, OpCtx};

/// Names a publisher; random per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublisherId(pub u64);

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who sent it; a node ignores its own.
    pub publisher: PublisherId,
    /// Changes when the publisher starts over; numbers restart at 1 with it.
    pub incarnation: u64,
    /// Consecutive per publisher and incarnation; `None` for notices sent from inside a database transaction, whose gaps show as a lost connection.
    pub seq: Option<u64>,
    /// What was invalidated, encoded by the cache.
    pub payload: Bytes,
}

/// What a subscription yields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusEvent {
    /// A message.
    Notice(Notice),
    /// Messages may have been missed: a number was skipped, the receiver lagged, or the connection was replaced.
    Gap,
    /// The connection is down, or heartbeats stay away: messages are being missed.
    Cut,
    /// Messages arrive again. Always preceded by a [`Gap`](Self::Gap).
    Restored,
    /// A message that this node sent to itself has come back, behind everything that was published before it.
    Alive {
        /// When it was sent, on [`Runtime::monotonic`](crate::Runtime::monotonic) of the runtime that the bus was given.
        as_of: Duration,
    },
}

/// Answer of [`Bus::publish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// The bus has it, and delivers it to every connected subscriber.
    Confirmed,
    /// It may or may not get through.
    Unknown,
}

/// A fan-out bus. Notices of one publisher are delivered in order, on one connection. A subscription that works yields
/// [`BusEvent::Alive`] about once per second; its own notices are not delivered to a node. See the [module docs](self).
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// The receiving end.
    type Subscription: Subscription;

    /// Sends to every subscriber.
    ///
    /// # Errors
    /// When it certainly was not sent.
    ///
    /// # Cancel safety
    /// A dropped future leaves the outcome unknown; the numbering stays consecutive for what was sent.
    fn publish(&self, op: OpCtx, payload: Bytes) -> impl Future<Output = Result<Published, Error>> + Send;

    /// Starts to listen. Notices published after this returns are delivered or reported as a gap.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    fn subscribe(&self) -> impl Future<Output = Result<Self::Subscription, Error>> + Send;

    /// Whether database transactions can carry notices on this bus, so that nobody but its listeners knows of them: after a gap the
    /// shared level may then be stale, too. Default: no.
    fn is_transactional(&self) -> bool {
        false
    }
}

/// The receiving end of a [`Bus`].
pub trait Subscription: fmt::Debug + Send + 'static {
    /// The next event; `None` once the bus was dropped.
    ///
    /// # Cancel safety
    /// No event is lost by dropping the future.
    fn next(&mut self) -> impl Future<Output = Option<BusEvent>> + Send;
}
