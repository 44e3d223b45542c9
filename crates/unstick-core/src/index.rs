//! Sessions by principal: list them, end one, end the others, allow at most so many.
//!
//! Rare operations behind one boxed future each, so that the trait can be asked for by [`Store::principal_index`](crate::Store::principal_index).
//!
//! ```
//! use std::{num::NonZeroU32, sync::Mutex, time::Duration};
//! use unstick_core::*;
//!
//! /// An index that only counts places.
//! #[derive(Debug, Default)]
//! struct Places(Mutex<Vec<RecordKey>>);
//! impl PrincipalIndex for Places {
//!     fn list<'a>(&'a self, _: OpCtx, _: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> { Box::pin(async { Ok(vec![]) }) }
//!     fn end_others<'a>(&'a self, _: OpCtx, _: &'a str, _: Option<RecordKey>, _: Duration) -> BoxFuture<'a, Result<u64, Error>> { Box::pin(async { Ok(0) }) }
//!     fn reserve<'a>(&'a self, _: OpCtx, _: &'a str, key: RecordKey, max: NonZeroU32, _: Timestamp) -> BoxFuture<'a, Result<Reservation, Error>> {
//!         Box::pin(async move {
//!             let mut places = self.0.lock().unwrap();
//!             if places.contains(&key) { return Ok(Reservation::Granted) }
//!             if places.len() >= max.get() as usize { return Ok(Reservation::Full) }
//!             places.push(key);
//!             Ok(Reservation::Granted)
//!         })
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let index = Places::default();
//! let now = Timestamp::system_now();
//! let op = OpCtx { now, deadline: now + Duration::from_secs(1), op_id: OpId::from_u128(1) };
//! let one = NonZeroU32::new(1).unwrap();
//! assert_eq!(index.reserve(op, "ann", RecordKey::from_bytes([1; 32]), one, op.deadline).await.unwrap(), Reservation::Granted);
//! assert_eq!(index.reserve(op, "ann", RecordKey::from_bytes([2; 32]), one, op.deadline).await.unwrap(), Reservation::Full);
//! # });
//! ```

use std::{fmt, num::NonZeroU32, time::Duration};

use crate::{BoxFuture, Error, OpCtx, RecordKey, Timestamp};

/// One live session of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEntry {
    /// Which session; pass it to [`Store::end`](crate::Store::end) to end that one.
    pub key: RecordKey,
    /// When it was created.
    pub created: Timestamp,
    /// Until when it lives without activity.
    pub idle_deadline: Timestamp,
    /// Until when it lives at most.
    pub absolute_deadline: Timestamp,
}

/// Answer of [`PrincipalIndex::reserve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reservation {
    /// There is a place for the session.
    Granted,
    /// The principal has as many sessions as the limit allows.
    Full,
}

/// Sessions by principal. See the [module docs](self).
pub trait PrincipalIndex: fmt::Debug + Send + Sync {
    /// The principal's live sessions, oldest first. Repairs entries whose session is gone.
    ///
    /// # Errors
    /// When the store cannot answer.
    fn list<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>>;

    /// Ends all sessions of the principal but `keep`, reserved ones included; returns how many were live. Each gets a
    /// tombstone until its own idle deadline plus `skew`.
    ///
    /// # Errors
    /// When the store cannot answer; sessions ended before the error stay ended.
    fn end_others<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        skew: Duration,
    ) -> BoxFuture<'a, Result<u64, Error>>;

    /// Takes a place for session `key` before it is published, unless `max` other sessions are live or reserved. Atomic.
    /// The place is given back at `until` if the session has not been published by then.
    ///
    /// # Errors
    /// When the store cannot answer.
    fn reserve<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        key: RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Reservation, Error>>;
}
