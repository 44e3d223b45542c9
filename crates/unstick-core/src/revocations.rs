//! Revocation for credentials that no record stands behind: a deny-list of sessions, and an epoch per principal.
//!
//! An epoch is not compared with anybody's clock. A login asks for the principal's present epoch and carries it; raising
//! the epoch denies every session that carries a lower one. So a session cannot escape because the node that began it has
//! a fast clock, and a login just after a "sign out everywhere" is not denied by a slow one.
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex, time::Duration};
//! use unstick_core::*;
//!
//! #[derive(Debug, Default)]
//! struct InMemory { denied: Mutex<HashMap<RecordKey, Timestamp>>, epochs: Mutex<HashMap<String, (Timestamp, Option<RecordKey>)>> }
//! impl Revocations for InMemory {
//!     fn scope(&self) -> Scope { Scope::Process }
//!     fn revoke<'a>(&'a self, op: OpCtx, key: RecordKey, _: Option<&'a str>, _until: Timestamp) -> BoxFuture<'a, Result<(), Error>> {
//!         self.denied.lock().unwrap().insert(key, op.now);
//!         Box::pin(async { Ok(()) })
//!     }
//!     fn revoke_principal<'a>(&'a self, op: OpCtx, principal: &'a str, keep: Option<RecordKey>, _until: Timestamp) -> BoxFuture<'a, Result<(), Error>> {
//!         let mut epochs = self.epochs.lock().unwrap();
//!         let epoch = epochs.entry(principal.into()).or_default();
//!         *epoch = (op.now.max(epoch.0 + Duration::from_millis(1)), keep);
//!         Box::pin(async { Ok(()) })
//!     }
//!     fn epoch<'a>(&'a self, _: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Timestamp, Error>> {
//!         let epoch = self.epochs.lock().unwrap().get(principal).copied();
//!         Box::pin(async move { Ok(epoch.map(|(epoch, _)| epoch).unwrap_or_default()) })
//!     }
//!     fn revoked_at<'a>(&'a self, _: OpCtx, key: RecordKey, principal: Option<&'a str>, epoch: Timestamp) -> BoxFuture<'a, Result<Option<Timestamp>, Error>> {
//!         let raised = principal.and_then(|principal| self.epochs.lock().unwrap().get(principal).copied());
//!         let raised = raised.filter(|(now, keep)| *now > epoch && *keep != Some(key)).map(|(now, _)| now);
//!         let denied = self.denied.lock().unwrap().get(&key).copied();
//!         Box::pin(async move { Ok(denied.or(raised)) })
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let list = InMemory::default();
//! let now = Timestamp::system_now();
//! let op = OpCtx { now, deadline: now + Duration::from_secs(1), op_id: OpId::from_u128(1) };
//! let key = RecordKey::from_bytes([1; 32]);
//! let before = list.epoch(op, "ann").await.unwrap();
//! list.revoke_principal(op, "ann", None, now + Duration::from_secs(60)).await.unwrap();
//! let after = list.epoch(op, "ann").await.unwrap();
//! assert!(list.revoked_at(op, key, Some("ann"), before).await.unwrap().is_some());
//! assert!(list.revoked_at(op, key, Some("ann"), after).await.unwrap().is_none(), "logged in afterwards");
//! # });
//! ```

use std::fmt;

use crate::{BoxFuture, Error, OpCtx, RecordKey, Scope, Timestamp};

/// Deny-list and principal epochs. See the [module docs](self). An error must be taken for "revoked" (fail closed) unless the operator chose otherwise by name.
pub trait Revocations: fmt::Debug + Send + Sync {
    /// Which nodes learn of a revocation. Sessions whose end reaches less far than they do are said to reach no further, so
    /// that nobody turns sticky sessions off over them unawares.
    fn scope(&self) -> Scope;

    /// Denies one session until its last credential would have expired anyway. `principal` is who was logged in, which is
    /// where the session will be looked for.
    ///
    /// # Errors
    /// When the backend cannot answer.
    fn revoke<'a>(&'a self, op: OpCtx, key: RecordKey, principal: Option<&'a str>, until: Timestamp) -> BoxFuture<'a, Result<(), Error>>;

    /// Denies every session of `principal` that was begun up to now, but `keep`; `until` is when the last of them would have
    /// expired anyway.
    ///
    /// # Errors
    /// When the backend cannot answer.
    fn revoke_principal<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// The epoch that a session of `principal` begun now must carry; [`Timestamp::ZERO`] when there has been none.
    ///
    /// # Errors
    /// When the backend cannot answer.
    fn epoch<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Timestamp, Error>>;

    /// Since when a session that carries `epoch` is denied; `None`: it is not. One trip.
    ///
    /// # Errors
    /// When the backend cannot answer.
    fn revoked_at<'a>(
        &'a self,
        op: OpCtx,
        key: RecordKey,
        principal: Option<&'a str>,
        epoch: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Timestamp>, Error>>;
}
