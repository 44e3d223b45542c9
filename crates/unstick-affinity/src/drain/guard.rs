//! For connections that outlive their response.

use std::{fmt, future::Future, sync::Arc};

use http::Extensions;

use super::{handle::Drain, registry::Ticket};

/// Keeps a request in flight for as long as it, or a clone of it, lives.
///
/// [`DrainLayer`](super::DrainLayer) puts one into the extensions of every request that may become an upgraded connection: those
/// with an `Upgrade` header, and `CONNECT`. A websocket's task takes it out of the request before it answers, and holds it until
/// it has said goodbye. Dropped with the request when nobody takes it; then the request counts until its response's body has ended, as any other.
#[derive(Clone)]
pub struct DrainGuard {
    _ticket: Arc<Ticket>,
    drain: Drain,
}

impl DrainGuard {
    pub(super) fn new(ticket: Ticket, drain: &Drain) -> Self {
        Self { _ticket: Arc::new(ticket), drain: drain.clone() }
    }

    /// Completes when it is time to say goodbye: as [`Drain::closing`].
    ///
    /// # Cancel safety
    /// Dropping the future forgets nothing.
    pub fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        self.drain.closing()
    }

    /// The drain, for its other phases.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.drain
    }
}

impl fmt::Debug for DrainGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrainGuard")
    }
}

/// What keeps a request in flight: no allocation for the usual one.
#[derive(Debug)]
pub(super) enum Kept {
    Alone { _ticket: Ticket },
    Shared { _guard: DrainGuard },
}

/// In the extensions of a request that its drain counts already: another layer of the same drain leaves it at that.
#[cfg(feature = "server")]
#[derive(Debug, Clone)]
pub(super) struct Counted(pub(super) Drain);

/// Whether `drain` counts the request already, because its server does.
#[cfg(feature = "server")]
pub(super) fn is_counted(extensions: &Extensions, drain: &Drain) -> bool {
    extensions.get::<Counted>().is_some_and(|Counted(by)| by.is_same(drain))
}

/// Without a server of its own, nobody else counts.
#[cfg(not(feature = "server"))]
pub(super) fn is_counted(_: &Extensions, _: &Drain) -> bool {
    false
}
