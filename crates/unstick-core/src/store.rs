//! The contract of a server-side session store: one record per session, one atomic step per write.
//!
//! Implement [`Store`] for a backend of your own and run the contract suite of `unstick-testkit` against it; the suite
//! holds it to every rule below. The rules in short:
//!
//! * [`apply`](Store::apply) on a live session never creates one; [`create`](Store::create) never overwrites one.
//! * Writes merge field deltas; two writers of different fields both survive.
//! * Every write is idempotent by [`OpCtx::op_id`] and is refused by the backend itself when it arrives after [`OpCtx::deadline`].
//! * [`end`](Store::end) leaves a tombstone, also for a missing record, that nothing can write to.
//! * Whether a deadline has passed is decided from stored milliseconds and [`OpCtx::now`], not by the engine's own expiry.
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex, time::Duration};
//! use unstick_core::*;
//!
//! /// The smallest store that keeps the rules: one lock around everything.
//! #[derive(Debug, Default)]
//! struct Tiny(Mutex<HashMap<RecordKey, Record>>);
//!
//! impl Store for Tiny {
//!     fn scope(&self) -> Scope { Scope::Process }
//!     fn name(&self) -> &'static str { "tiny" }
//!     async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
//!         op.refuse_if_late(op.now.max(Timestamp::system_now()))?;
//!         let mut all = self.0.lock().unwrap();
//!         match all.get(&key) {
//!             Some(Record { life: Life::Ended { at, .. }, .. }) => Ok(Created::Ended { at: *at }),
//!             Some(_) => Ok(Created::Exists),
//!             None => { all.insert(key, Record::new(new.clone())); Ok(Created::Done) }
//!         }
//!     }
//!     async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
//!         let mut all = self.0.lock().unwrap();
//!         let Some(record) = all.get_mut(&key) else { return Ok(Loaded::Missing) };
//!         if let Some(renewal) = renewal { record.apply(&op, &presented, &Change { renewal: Some(renewal), ..Change::new() }); }
//!         Ok(Loaded::judge(record, &presented, op.now))
//!     }
//!     async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
//!         op.refuse_if_late(op.now.max(Timestamp::system_now()))?;
//!         let mut all = self.0.lock().unwrap();
//!         Ok(all.get_mut(&key).map_or(Applied::Missing, |record| record.apply(&op, &presented, change)))
//!     }
//!     async fn rotate(&self, op: OpCtx, key: RecordKey, presented: Presented, rotation: &Rotation, change: &Change) -> Result<Rotated, Error> {
//!         op.refuse_if_late(op.now.max(Timestamp::system_now()))?;
//!         let mut all = self.0.lock().unwrap();
//!         Ok(all.get_mut(&key).map_or(Rotated::Refused(Applied::Missing), |record| record.rotate(&op, &presented, rotation, change)))
//!     }
//!     async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
//!         op.refuse_if_late(op.now.max(Timestamp::system_now()))?;
//!         let mut all = self.0.lock().unwrap();
//!         Ok(end_in_place(all.entry(key).or_insert_with(|| Record::tombstone(op.now, until)), op.now, presented.as_ref(), until))
//!     }
//!     async fn sweep(&self, op: OpCtx, _limit: usize) -> Result<usize, Error> {
//!         let mut all = self.0.lock().unwrap();
//!         let before = all.len();
//!         all.retain(|_, record| !record.is_collectable(op.now, Duration::from_secs(300)));
//!         Ok(before - all.len())
//!     }
//! }
//!
//! # fn main() -> Result<(), Error> { tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = Tiny::default();
//! let now = Timestamp::system_now();
//! let credential = Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600))?;
//! let (key, presented) = (credential.lineage().record_key(), Presented::from(&credential));
//! let op = |n| OpCtx { now, deadline: now + Duration::from_secs(60), op_id: OpId::from_u128(n) };
//! let change = Change::new().set("cart", "[]");
//! assert_eq!(store.apply(op(1), key, presented, &change).await?, Applied::Missing, "apply never creates");
//! let new = NewRecord { secret: presented.secret, principal: None, created: now, fields: Fields::default(),
//!     idle_deadline: credential.idle_deadline(), absolute_deadline: credential.absolute_deadline() };
//! assert_eq!(store.create(op(2), key, &new).await?, Created::Done);
//! assert!(store.apply(op(3), key, presented, &change).await?.is_done());
//! store.end(op(4), key, Some(presented), now + Duration::from_secs(900)).await?;
//! assert!(matches!(store.apply(op(5), key, presented, &change).await?, Applied::Ended { .. }), "and never revives");
//! # Ok(()) }) }
//! ```

use std::{fmt, future::Future, sync::Arc};

use crate::{
    Applied, Change, Created, Ended, Error, Fields, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, RecordKey, Renewal, Rotated,
    Rotation, Scope, Timestamp,
};

/// Decides a locked update from the current fields. See [`Store::update_locked`].
pub type Decide<'a> = &'a mut (dyn FnMut(&Fields) -> Result<Change, Error> + Send);

/// A server-side session store. See the [module docs](self) for the rules and an example.
///
/// # Cancel safety
/// Dropping a future leaves the operation's outcome unknown: it is applied once or not at all, never in part.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a session store",
    note = "use a store of the family, or implement `unstick_core::Store` and run the contract suite of `unstick-testkit`",
    note = "what `unstick::store::from_url` returns may be no store: pass it to `SessionLayer::new`, or ask it for `into_store()`"
)]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// How far the sessions reach.
    fn scope(&self) -> Scope;

    /// A short stable name for events and metrics.
    fn name(&self) -> &'static str;

    /// Puts a record where there is none.
    ///
    /// # Errors
    /// When the store cannot answer; [`Full`](crate::ErrorKind::Full) when it is at its limit.
    fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> impl Future<Output = Result<Created, Error>> + Send;

    /// Loads, and renews in the same trip when `renewal` is given and the session lives.
    ///
    /// # Errors
    /// When the store cannot answer.
    fn load(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        renewal: Option<Renewal>,
    ) -> impl Future<Output = Result<Loaded, Error>> + Send;

    /// Applies a change to a live session, all or nothing.
    ///
    /// # Errors
    /// When the store cannot answer. [`Error::is_outcome_unknown`] tells whether the change may be in.
    fn apply(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        change: &Change,
    ) -> impl Future<Output = Result<Applied, Error>> + Send;

    /// Replaces the secret and applies a change, all or nothing.
    ///
    /// A previous secret in its grace gets the change applied but not the rotation, and is refused as superseded when
    /// the rotation has no grace (a promotion).
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> impl Future<Output = Result<Rotated, Error>> + Send;

    /// Leaves a tombstone until `until`, whether or not there is a record. `presented` is `None` for administration and revocation.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    fn end(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Option<Presented>,
        until: Timestamp,
    ) -> impl Future<Output = Result<Ended, Error>> + Send;

    /// Deletes at most `limit` records and tombstones that have served; returns how many.
    ///
    /// # Errors
    /// When the store cannot answer; what was deleted before stays deleted.
    fn sweep(&self, op: OpCtx, limit: usize) -> impl Future<Output = Result<usize, Error>> + Send;

    /// Reads, decides and writes under the engine's own lock, for updates that keep losing their race. `None`: the engine has no such lock.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and what `decide` returns.
    fn update_locked(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        decide: Decide<'_>,
    ) -> impl Future<Output = Result<Option<Applied>, Error>> + Send {
        let _ = (op, key, presented, decide);
        async { Ok(None) }
    }

    /// The index of sessions by principal, if this store keeps one.
    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        None
    }

    /// Reads without waiting, for a store whose records are in this process: spares the session layer a future per load.
    /// Default: none, and [`load`](Self::load) is asked.
    ///
    /// A store in front of others, which adds faults, counts or copies of its own to [`load`](Self::load), leaves this as it is.
    fn at_hand(&self) -> Option<&dyn AtHand> {
        None
    }
}

/// What a store in this process answers without waiting. See [`Store::at_hand`].
pub trait AtHand {
    /// What [`Store::load`] would answer without a renewal at the time `now`, deadlines included. `None` when it is not known at
    /// once, and [`Store::load`] is to be asked: above all while a write holds the record, which may be running a caller's closure
    /// ([`Store::update_locked`]). The session layer calls this under a lock of its own, so it must never wait for one that is held
    /// for longer than a look-up takes.
    fn read(&self, now: Timestamp, key: &RecordKey, presented: &Presented) -> Option<Loaded>;
}

impl<S: Store> Store for Arc<S> {
    fn scope(&self) -> Scope {
        (**self).scope()
    }
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> impl Future<Output = Result<Created, Error>> + Send {
        (**self).create(op, key, new)
    }
    fn load(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        renewal: Option<Renewal>,
    ) -> impl Future<Output = Result<Loaded, Error>> + Send {
        (**self).load(op, key, presented, renewal)
    }
    fn apply(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        change: &Change,
    ) -> impl Future<Output = Result<Applied, Error>> + Send {
        (**self).apply(op, key, presented, change)
    }
    fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> impl Future<Output = Result<Rotated, Error>> + Send {
        (**self).rotate(op, key, presented, rotation, change)
    }
    fn end(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Option<Presented>,
        until: Timestamp,
    ) -> impl Future<Output = Result<Ended, Error>> + Send {
        (**self).end(op, key, presented, until)
    }
    fn sweep(&self, op: OpCtx, limit: usize) -> impl Future<Output = Result<usize, Error>> + Send {
        (**self).sweep(op, limit)
    }
    fn update_locked(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        decide: Decide<'_>,
    ) -> impl Future<Output = Result<Option<Applied>, Error>> + Send {
        (**self).update_locked(op, key, presented, decide)
    }
    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        (**self).principal_index()
    }
    fn at_hand(&self) -> Option<&dyn AtHand> {
        (**self).at_hand()
    }
}
