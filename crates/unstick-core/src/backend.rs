//! What the session layer sees of any backend: a carrier goes in, an outcome and perhaps a new carrier come out.
//!
//! Two families implement it: server-side stores (`Keyed<S: Store>` in `unstick-session`) and sessions that travel whole
//! in the carrier (`unstick-token`).
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::*;
//!
//! /// Knows nobody and keeps nothing.
//! #[derive(Debug)]
//! struct Nobody;
//! impl SessionBackend for Nobody {
//!     fn scope(&self) -> Scope { Scope::Client }
//!     fn name(&self) -> &'static str { "nobody" }
//!     fn open(&self, _: Carriage, text: &[u8]) -> Opening { if text.len() == SEALED_LEN { Opening::Forged } else { Opening::Malformed } }
//!     fn is_renewal_due(&self, _: &Ticket, _: Timestamp) -> bool { false }
//!     async fn load(&self, _: OpCtx, _: Carriage, _: &Ticket, _: bool) -> Result<(Loaded, Carrier), Error> { Ok((Loaded::Missing, Carrier::Unchanged)) }
//!     async fn apply(&self, _: OpCtx, _: Carriage, _: &Ticket, _: &Change) -> Result<Committed, Error> { Ok(Committed::Refused(Applied::Missing)) }
//!     async fn commit(&self, _: OpCtx, _: Carriage, _: Option<&Ticket>, _: &Intent) -> Result<Committed, Error> { Ok(Committed::Refused(Applied::Missing)) }
//! }
//! assert!(matches!(Nobody.open(Carriage::Cookie, b"x"), Opening::Malformed));
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let now = Timestamp::system_now();
//! let op = OpCtx { now, deadline: now + Duration::from_secs(1), op_id: OpId::from_u128(1) };
//! let intent = Intent { lifecycle: Lifecycle::Keep, change: Change::new().set("a", "1") };
//! assert!(matches!(Nobody.commit(op, Carriage::Cookie, None, &intent).await, Ok(Committed::Refused(_))));
//! # });
//! ```

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    Applied, Change, Credential, Decide, Ended, Error, ErrorKind, Loaded, OpCtx, PrincipalIndex, RecordKey, Runtime, Scope, Timestamp,
};

/// How the client carries its credential. A credential signed for one is forged for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Carriage {
    /// `Cookie` and `Set-Cookie`.
    Cookie,
    /// A request and response header, for clients that keep no cookies, and gRPC metadata.
    Header,
}

/// An authentic carrier.
#[derive(Clone)]
pub struct Ticket {
    /// Which session, which id, signed deadlines.
    pub credential: Credential,
    /// Signed with a previous key: to be issued again.
    pub reissue: bool,
    /// What a token backend carries besides; empty for server-side stores.
    pub payload: Bytes,
}

/// Leaves the payload out: it may hold the session's values.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("credential", &self.credential).field("reissue", &self.reissue).finish_non_exhaustive()
    }
}

/// What a carrier turned out to be, without asking any backend.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Opening {
    /// Ours; deadlines not yet judged.
    Authentic(Ticket),
    /// A known key, but not our signature.
    Forged,
    /// Signed by a key that is not in the ring.
    UnknownKey,
    /// Not of any known format.
    Malformed,
}

/// What to do with the session besides its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifecycle {
    /// Keep it.
    Keep,
    /// Give it a new id; requests with the old one are served for the grace.
    RenewId,
    /// Log `0` in: a new id, and the old one is dead at once.
    Promote(Arc<str>),
    /// End it.
    End,
}

/// Everything one commit does, as one atomic operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The session itself.
    pub lifecycle: Lifecycle,
    /// Its fields, and whether a renewal is due ([`Change::renewal`] is filled in by the backend).
    pub change: Change,
}

/// What the client is to be sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Carrier {
    /// Nothing: it keeps what it has.
    Unchanged,
    /// A new text.
    Set {
        /// The text.
        text: String,
        /// How long the client should keep it: until the signed idle deadline.
        max_age: Duration,
    },
    /// The removal of what it has.
    Remove,
}

/// Redacts the text: it is a credential.
impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchanged => "Unchanged",
            Self::Set { .. } => "Set(..)",
            Self::Remove => "Remove",
        })
    }
}

/// Answer of [`SessionBackend::commit`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Committed {
    /// It is in.
    Done {
        /// For the client.
        carrier: Carrier,
        /// The session's ticket from now on; `None` after an end.
        ticket: Option<Ticket>,
    },
    /// Nothing was done; never holds [`Applied::Done`].
    Refused(Applied),
}

/// A session backend of either family. See the [module docs](self).
///
/// # Cancel safety
/// Dropping a future leaves the outcome unknown: applied once or not at all, never in part.
pub trait SessionBackend: fmt::Debug + Send + Sync + 'static {
    /// How far the sessions reach.
    fn scope(&self) -> Scope;

    /// A short stable name for events and metrics.
    fn name(&self) -> &'static str;

    /// The most characters that a carrier's text can have. The layer refuses to be built when the client could not be sent
    /// so many. Default: [`SEALED_LEN`](crate::SEALED_LEN).
    fn max_text(&self) -> usize {
        crate::SEALED_LEN
    }

    /// The name of the cookie or header that carriers are sealed for, if the backend was told one. The layer refuses to be
    /// built under another: what was sealed for one cookie would be taken in any. Default: the layer has told it.
    fn name_of(&self, carriage: Carriage) -> Option<&str> {
        let _ = carriage;
        None
    }

    /// Judges a carrier. No I/O, constant-time comparison.
    fn open(&self, carriage: Carriage, text: &[u8]) -> Opening;

    /// Whether a request with this ticket should extend the idle deadline, or re-issue the carrier under a newer key.
    fn is_renewal_due(&self, ticket: &Ticket, now: Timestamp) -> bool;

    /// Loads; with `renew`, extends the idle deadline in the same trip. A carrier is returned only if the ticket was
    /// confirmed as current.
    ///
    /// # Errors
    /// When the backend cannot answer.
    fn load(
        &self,
        op: OpCtx,
        carriage: Carriage,
        ticket: &Ticket,
        renew: bool,
    ) -> impl Future<Output = Result<(Loaded, Carrier), Error>> + Send;

    /// What [`load`](Self::load) would answer, if that is known without waiting and there is nothing for the client with it: no
    /// renewal is due, and no new id. Default `None`: `load` is asked.
    ///
    /// Called under a lock of the request's handle: must not wait. `clock` is the layer's, read only where it is needed.
    fn load_now(&self, clock: &Runtime, ticket: &Ticket) -> Option<Loaded> {
        let _ = (clock, ticket);
        None
    }

    /// Applies a change to the ticket's session and leaves its id as it is: what most commits are. Extends the idle deadline
    /// in the same trip when that is due.
    ///
    /// Apart from [`commit`](Self::commit) so that the future of the common case stays small.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn apply(
        &self,
        op: OpCtx,
        carriage: Carriage,
        ticket: &Ticket,
        change: &Change,
    ) -> impl Future<Output = Result<Committed, Error>> + Send;

    /// Carries out an intent. Without a ticket a new session is created, never with an id of the client's choosing.
    ///
    /// # Errors
    /// When the backend cannot answer. [`Error::is_outcome_unknown`] tells whether the intent may have been carried out.
    fn commit(
        &self,
        op: OpCtx,
        carriage: Carriage,
        ticket: Option<&Ticket>,
        intent: &Intent,
    ) -> impl Future<Output = Result<Committed, Error>> + Send;

    /// Reads, decides and writes under the engine's own lock. `None`: it has none.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and what `decide` returns.
    fn update_locked(&self, op: OpCtx, ticket: &Ticket, decide: Decide<'_>) -> impl Future<Output = Result<Option<Applied>, Error>> + Send {
        let _ = (op, ticket, decide);
        async { Ok(None) }
    }

    /// Ends a session by its key, for administration: the keys are those of [`SessionEntry`](crate::SessionEntry).
    ///
    /// # Errors
    /// When the backend cannot answer; [`ErrorKind::Unsupported`] when it cannot end sessions by key.
    fn end_by_key(&self, op: OpCtx, key: RecordKey) -> impl Future<Output = Result<Ended, Error>> + Send {
        let _ = (op, key);
        async { Err(Error::new(ErrorKind::Unsupported, "this backend cannot end a session by its key")) }
    }

    /// The index of sessions by principal, if there is one.
    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        None
    }
}
