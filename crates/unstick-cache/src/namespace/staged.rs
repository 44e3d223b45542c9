//! An invalidation that travels with a database transaction: what a crash between commit and notice cannot lose.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use unstick_core::Target;

use super::{
    invalidate::{Invalidated, invalidate_known},
    shared::Shared,
};
use crate::{mark::MarkId, notice::Message};

/// An invalidation to be sent from inside a database transaction, by a bus that can do so.
///
/// The transaction carries [`payload`](Self::payload); once it is committed every node that listens applies it, and has the shared level
/// confirm it. [`committed`](Self::committed) then does the same here without waiting for the notice to come back, and notes it with the
/// client being served. Dropping it does nothing: after a rollback there is nothing to do.
#[must_use = "call `committed` after the commit"]
pub struct Staged {
    shared: Arc<Shared>,
    id: MarkId,
    targets: Arc<[Target]>,
}

impl Staged {
    pub(super) fn new(shared: Arc<Shared>, targets: Arc<[Target]>) -> Self {
        Self { id: shared.next_id(), shared, targets }
    }

    /// For the bus's way of sending inside a transaction.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        let (namespace, targets) = (self.shared.hash, self.targets.clone());
        Message::Invalidated { namespace, id: self.id, targets, level_pending: true }.encode()
    }

    /// The transaction was committed.
    ///
    /// # Cancel safety
    /// As [`Namespace::invalidate`](crate::Namespace::invalidate).
    pub async fn committed(self) -> Invalidated {
        invalidate_known(&self.shared, self.id, self.targets).await
    }
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged").field("targets", &self.targets.len()).finish_non_exhaustive()
    }
}
