//! What a dialect provides: one method per thing that is asked of the database, parameters in, plain answers out. What the
//! answers mean, and what is done when nothing matched, is said once for all dialects in [`flow`](crate::flow).

use std::{future::Future, num::NonZeroU32, time::Duration};

use unstick_core::{
    Change, Error, NewRecord, OpCtx, Presented, Proof, RecordKey, Renewal, Reservation, Rotation, Runtime, SessionEntry, Timestamp,
};

use crate::row::Read;

/// One delivery of an operation to the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) op: &'a OpCtx,
    /// The operation's deadline on the engine's clock. The engine itself refuses a write that got its locks after it.
    pub(crate) deadline: Timestamp,
    /// When an answer is no longer waited for, on the runtime's monotonic clock. Not looked at by engines in this process.
    pub(crate) give_up: Duration,
}

impl Call<'_> {
    /// How much longer an answer is waited for.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn left(&self, runtime: &Runtime) -> Duration {
        self.give_up.saturating_sub(runtime.monotonic())
    }
}

/// What a writing statement came to.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    Done(T),
    /// No row matched, or the engine found the operation late. A read tells which.
    Nothing,
    /// The statement failed, perhaps on data in the row that cannot be read. A read tells.
    Failed(Error),
}

/// Answer to an accepted change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) idle_deadline: Timestamp,
    pub(crate) proof: Proof,
}

/// Answer to an accepted rotation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turned {
    pub(crate) idle_deadline: Timestamp,
    /// Whether the row holds the new secret now.
    pub(crate) rotated: bool,
}

/// Answer to a read.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) row: Option<Read>,
    /// The engine's clock when it answered; `None` when it is this host's.
    pub(crate) clock: Option<Timestamp>,
}

impl Seen {
    /// Whether the engine's clock has passed `deadline`. When a write was refused before this read for being late, it has.
    pub(crate) fn is_late(&self, deadline: Timestamp) -> bool {
        self.clock.unwrap_or_else(Timestamp::system_now) >= deadline
    }
}

/// The typed statements of a dialect. Each writing one is atomic, is refused after [`Call::deadline`] and leaves rows of an
/// unknown format alone; those of a session judge the presented id by [`OpCtx::now`] as `Record::standing` does.
pub(crate) trait Engine: Send + Sync + 'static {
    /// Whether the engine is reached through a connection that can break: then lost deliveries are repeated once.
    const REMOTE: bool;

    /// A transaction that holds a row's lock. Dropping it rolls back.
    type Locked: Send;

    fn runtime(&self) -> &Runtime;

    /// The moment `here`, by this host's clock, on the engine's clock, or a little earlier. An engine on this host has the same.
    fn deadline(&self, here: Timestamp) -> Timestamp {
        here
    }

    /// Puts a row where there is none; whether it did.
    fn insert(&self, call: Call<'_>, key: &RecordKey, new: &NewRecord) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Reads.
    fn find(&self, call: Call<'_>, key: &RecordKey) -> impl Future<Output = Result<Seen, Error>> + Send;

    /// Renews if the session lives and the operation is in time, and reads what is there then, in any case.
    fn find_renewing(
        &self,
        call: Call<'_>,
        key: &RecordKey,
        presented: &Presented,
        renewal: &Renewal,
    ) -> impl Future<Output = Result<Seen, Error>> + Send;

    /// Merges a change into a live row that holds the preconditions and has not seen the operation.
    fn apply(
        &self,
        call: Call<'_>,
        key: &RecordKey,
        presented: &Presented,
        change: &Change,
    ) -> impl Future<Output = Result<Outcome<Written>, Error>> + Send;

    /// As [`apply`](Self::apply), and replaces the secret unless a previous one in its grace was presented.
    fn rotate(
        &self,
        call: Call<'_>,
        key: &RecordKey,
        presented: &Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> impl Future<Output = Result<Outcome<Turned>, Error>> + Send;

    /// Leaves a tombstone; whether this operation ended a live row. `None`: nothing was done, a read tells why.
    fn end(
        &self,
        call: Call<'_>,
        key: &RecordKey,
        presented: Option<&Presented>,
        until: Timestamp,
    ) -> impl Future<Output = Result<Option<bool>, Error>> + Send;

    /// Live sessions, oldest first.
    fn list(&self, call: Call<'_>, principal: &str) -> impl Future<Output = Result<Vec<SessionEntry>, Error>> + Send;

    /// Leaves tombstones for all sessions and reservations of the principal but `keep`; how many were live. `None`: late.
    fn end_others(
        &self,
        call: Call<'_>,
        principal: &str,
        keep: Option<&RecordKey>,
        skew: Duration,
    ) -> impl Future<Output = Result<Option<u64>, Error>> + Send;

    /// Whether the principal has other live sessions of a format that this release does not know, which
    /// [`end_others`](Self::end_others) left alone.
    fn has_newer(&self, call: Call<'_>, principal: &str, keep: Option<&RecordKey>) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Takes a place unless `max` others are taken. `None`: late.
    fn reserve(
        &self,
        call: Call<'_>,
        principal: &str,
        key: &RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> impl Future<Output = Result<Option<Reservation>, Error>> + Send;

    /// Deletes at most `limit` rows, and as many reservations, that have served; how many rows.
    fn sweep(&self, call: Call<'_>, limit: usize) -> impl Future<Output = Result<usize, Error>> + Send;

    /// Whether this store has the right to sweep for `lease` from now, by the engine's clock.
    fn claim(&self, call: Call<'_>, lease: Duration) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Opens a transaction, locks the row and reads it.
    fn lock(&self, call: Call<'_>, key: &RecordKey) -> impl Future<Output = Result<(Self::Locked, Seen), Error>> + Send;

    /// [`apply`](Self::apply) inside the transaction.
    fn apply_locked(
        &self,
        call: Call<'_>,
        locked: &mut Self::Locked,
        key: &RecordKey,
        presented: &Presented,
        change: &Change,
    ) -> impl Future<Output = Result<Outcome<Written>, Error>> + Send;

    /// Commits, unless it is late by now.
    fn commit(&self, call: Call<'_>, locked: Self::Locked) -> impl Future<Output = Result<(), Error>> + Send;
}
