//! An invalidation that travels with a database transaction: what a crash between commit and notice cannot lose.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use unstick_core::Target;

use super::{
    invalidate::{self, Invalidated},
    shared::Shared,
};
use crate::notice::Message;

/// An invalidation to be sent from inside a database transaction, by a bus that can do so.
///
/// The transaction carries [`payload`](Self::payload); once it is committed every node that listens applies it, and has the shared level
/// confirm it. [`committed`](Self::committed) then does the same here without waiting for the notice to come back, and notes it with the
/// client being served. Dropping it does nothing: after a rollback there is nothing to do.
#[must_use = "call `committed` after the commit"]
pub struct Staged {
    shared: Arc<Shared>,
    targets: Arc<[Target]>,
    payload: Bytes,
}

impl Staged {
    pub(super) fn new(shared: Arc<Shared>, targets: Arc<[Target]>) -> Self {
        let message = Message::Invalidated { namespace: shared.hash, id: shared.next_id(), targets: targets.clone(), level_pending: true };
        Self { payload: message.encode(), shared, targets }
    }

    /// For the bus's way of sending inside a transaction.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.payload.clone()
    }

    /// The transaction was committed.
    ///
    /// # Cancel safety
    /// As [`Namespace::invalidate`](crate::Namespace::invalidate).
    pub async fn committed(self) -> Invalidated {
        invalidate::invalidate(&self.shared, self.targets).await
    }
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged").field("targets", &self.targets.len()).finish_non_exhaustive()
    }
}
