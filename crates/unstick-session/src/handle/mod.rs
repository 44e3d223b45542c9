//! The handle that handlers work with.

#[cfg(feature = "lifeboat")]
mod aboard;
#[cfg(not(feature = "lifeboat"))]
#[path = "ashore.rs"]
mod aboard;
#[cfg(feature = "lifeboat")]
mod afloat;
mod buffer;
mod read;
mod state;
mod turn;
mod typed;
mod update;
mod write;

pub(crate) use aboard::{Aboard, is_ours};
pub(crate) use state::{Finished, Plan};
pub use typed::Typed;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use unstick_core::{Carriage, RecordKey, Ticket, Timestamp};

use self::state::State;
use crate::{Status, engine::Shared};

/// A request's session: in the request's extensions, and an axum extractor under feature `axum-08`.
///
/// Cheap to clone; clones are the same session. Nothing is asked of the backend before the first read. Changes are
/// buffered and saved as one atomic operation after the handler, before the response headers leave; only
/// [`update`](Self::update), [`save`](Self::save) and a [`promote`](Self::promote) under a limit go to the backend at once.
///
/// See the [crate docs](crate) for an example.
///
/// # Cancel safety
/// A handler that is dropped before it answers saves nothing that was buffered. An `update` or `save` that is dropped
/// while under way takes effect completely or not at all.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    carriage: Carriage,
    /// Further pieces of a divided cookie that the request carried.
    pieces: u8,
    /// When the request arrived; decided lazily would make every deadline drift.
    started: Timestamp,
    state: Mutex<State>,
}

impl Session {
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "what the service has found out of a request")]
    pub(crate) fn new(
        shared: Arc<Shared>,
        carriage: Carriage,
        started: Timestamp,
        ticket: Option<Ticket>,
        status: Status,
        presented: bool,
        pieces: u8,
        aboard: Aboard,
    ) -> Self {
        let state = Mutex::new(State::new(ticket, status, presented, aboard));
        Self(Arc::new(Inner { shared, carriage, pieces, started, state }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panicking closure never runs under the lock, so a poisoned state is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    pub(crate) fn carriage(&self) -> Carriage {
        self.0.carriage
    }

    pub(crate) fn pieces(&self) -> u8 {
        self.0.pieces
    }

    /// Whether somebody besides the layer still holds the session: it may be read while the body streams.
    pub(crate) fn is_held_elsewhere(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The session's key in its backend, for administration: the `keep` of [`Sessions::end_others`](crate::Sessions::end_others),
    /// and to tell the own session in a [list](crate::Sessions::list). `None` while there is no session. Asks nobody; not a secret.
    #[must_use]
    pub fn key(&self) -> Option<RecordKey> {
        self.state().ticket.as_ref().map(|ticket| ticket.credential.lineage().record_key())
    }

    /// What is known of the session. Asks nobody: before the first read an authentic credential is [`Status::Unloaded`].
    #[must_use]
    pub fn status(&self) -> Status {
        self.state().status
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("status", &self.status()).finish_non_exhaustive()
    }
}
