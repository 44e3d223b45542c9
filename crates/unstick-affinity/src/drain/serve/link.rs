//! What a connection's task knows of its socket and of the requests on it, and how it cuts the socket off.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use futures_util::task::AtomicWaker;

use crate::drain::DrainGuard;

/// Shared by a connection's task, its socket (wherever an upgrade took that) and its requests.
#[derive(Debug, Default)]
pub(super) struct Link {
    cut: AtomicBool,
    pub(super) reader: AtomicWaker,
    pub(super) writer: AtomicWaker,
    /// Bytes that have come.
    read: AtomicU64,
    /// `read` when a request last began or ended: what is beyond it belongs to the next one.
    mark: AtomicU64,
    /// The last write did not go through: the client reads slowly.
    blocked: AtomicBool,
    begun: AtomicU64,
    under_way: AtomicUsize,
    /// An HTTP/2 stream was turned into a tunnel, which no request stands for any more.
    tunnel: AtomicBool,
    /// The request that an upgrade made of the whole connection stays in flight for as long as its socket is there.
    upgraded: OnceLock<DrainGuard>,
}

impl Link {
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    pub(super) fn has_read(&self, bytes: usize) {
        self.read.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
    }

    pub(super) fn set_tunnel(&self) {
        self.tunnel.store(true, Ordering::Relaxed);
    }

    pub(super) fn keep(&self, upgraded: DrainGuard) {
        // A connection is upgraded once.
        _ = self.upgraded.set(upgraded);
    }

    fn mark(&self) {
        self.mark.store(self.read(), Ordering::Relaxed);
    }

    /// How many bytes have come.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// How many requests have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// A request has come in part.
    pub(super) fn is_half_read(&self) -> bool {
        !self.is_busy() && self.read() > self.mark.load(Ordering::Relaxed)
    }

    /// A request is being answered, or its answer has not gone out, or a tunnel may be open.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0 || self.blocked.load(Ordering::Relaxed) || self.tunnel.load(Ordering::Relaxed)
    }
}

/// Held by whatever stands for a request: its future, then its response's body.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Link>);

impl UnderWay {
    pub(super) fn begin(link: &Arc<Link>) -> Self {
        link.begun.fetch_add(1, Ordering::Relaxed);
        link.under_way.fetch_add(1, Ordering::AcqRel);
        link.mark();
        Self(Arc::clone(link))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.mark();
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Cuts the socket off when dropped: held by the connection's task, so that ending the task, however it ends, ends the socket.
#[derive(Debug)]
pub(super) struct CutOnDrop(pub(super) Arc<Link>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.cut();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{CutOnDrop, Link, UnderWay};

    #[test]
    fn what_came_after_a_request_began_is_of_the_next_once_it_ended() {
        let link = Arc::new(Link::default());
        assert!(!link.is_half_read());
        link.has_read(10);
        assert!(link.is_half_read());
        let request = UnderWay::begin(&link);
        link.has_read(5);
        assert!(link.is_busy() && !link.is_half_read(), "a body");
        drop(request);
        assert!(!link.is_busy() && !link.is_half_read());
        link.has_read(1);
        assert!(link.is_half_read());
        assert_eq!((link.begun(), link.read()), (1, 16));
    }

    #[test]
    fn a_slow_reader_and_a_tunnel_are_busy() {
        for set in [|link: &Link| link.set_blocked(true), Link::set_tunnel] {
            let link = Link::default();
            set(&link);
            assert!(link.is_busy());
        }
    }

    #[test]
    fn dropping_the_task_cuts() {
        let link = Arc::new(Link::default());
        drop(CutOnDrop(Arc::clone(&link)));
        assert!(link.is_cut());
    }
}
