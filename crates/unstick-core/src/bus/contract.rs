//! The traits, and what goes through them.

use std::{fmt, future::Future, time::Duration};

use bytes::Bytes;

use crate::{Error, ErrorKind, OpCtx};

/// Names a publisher; random per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublisherId(pub u64);

impl PublisherId {
    /// A random one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no randomness"))?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who sent it; a node ignores its own. Nobody's, 0, when it was sent from inside a database transaction.
    pub publisher: PublisherId,
    /// Changes when the publisher starts over; numbers restart at 1 with it.
    pub incarnation: u64,
    /// Consecutive per publisher and incarnation; `None` for notices sent from inside a database transaction, whose gaps show as a lost
    /// connection. Those go to the sender's own node, too: its process may not have lived to apply them.
    pub seq: Option<u64>,
    /// What was invalidated, encoded by the cache.
    pub payload: Bytes,
}

/// Shows how long the payload is, and not what it says.
impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { publisher, incarnation, seq, payload } = self;
        f.debug_struct("Notice")
            .field("publisher", publisher)
            .field("incarnation", incarnation)
            .field("seq", seq)
            .field("payload", &payload.len())
            .finish()
    }
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
/// [`BusEvent::Alive`] about once per second; its own numbered notices are not delivered to a node. See the [module docs](super).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_notice_says_is_not_shown() {
        let notice = Notice { publisher: PublisherId(7), incarnation: 1, seq: Some(3), payload: Bytes::from_static(b"k:shop:carts:ann") };
        let shown = format!("{:?}", BusEvent::Notice(notice));
        assert!(shown.contains("payload: 16") && !shown.contains("ann"), "{shown}");
    }
}
