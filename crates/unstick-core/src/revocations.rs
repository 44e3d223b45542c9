//! Revocation for credentials that no record stands behind: a deny-list by session and an epoch per principal.
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex, time::Duration};
//! use unstick_core::*;
//!
//! #[derive(Debug, Default)]
//! struct InMemory { denied: Mutex<Vec<RecordKey>>, epochs: Mutex<HashMap<String, Timestamp>> }
//! impl Revocations for InMemory {
//!     fn revoke(&self, _: OpCtx, key: RecordKey, _until: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
//!         self.denied.lock().unwrap().push(key);
//!         Box::pin(async { Ok(()) })
//!     }
//!     fn revoke_principal<'a>(&'a self, op: OpCtx, principal: &'a str, _until: Timestamp) -> BoxFuture<'a, Result<(), Error>> {
//!         self.epochs.lock().unwrap().insert(principal.into(), op.now);
//!         Box::pin(async { Ok(()) })
//!     }
//!     fn is_revoked<'a>(&'a self, _: OpCtx, key: RecordKey, principal: Option<&'a str>, issued: Timestamp) -> BoxFuture<'a, Result<bool, Error>> {
//!         let epoch = principal.and_then(|principal| self.epochs.lock().unwrap().get(principal).copied());
//!         let revoked = self.denied.lock().unwrap().contains(&key) || epoch.is_some_and(|epoch| issued <= epoch);
//!         Box::pin(async move { Ok(revoked) })
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let list = InMemory::default();
//! let now = Timestamp::system_now();
//! let op = OpCtx { now, deadline: now + Duration::from_secs(1), op_id: OpId::from_u128(1) };
//! let key = RecordKey::from_bytes([1; 32]);
//! list.revoke_principal(op, "ann", now + Duration::from_secs(60)).await.unwrap();
//! assert!(list.is_revoked(op, key, Some("ann"), now - Duration::from_secs(1)).await.unwrap());
//! assert!(!list.is_revoked(op, key, Some("ann"), now + Duration::from_secs(1)).await.unwrap(), "issued afterwards");
//! # });
//! ```

use std::fmt;

use crate::{BoxFuture, Error, OpCtx, RecordKey, Timestamp};

/// Deny-list and principal epochs. See the [module docs](self). An error must be taken for "revoked" (fail closed) unless the operator chose otherwise by name.
pub trait Revocations: fmt::Debug + Send + Sync {
    /// Denies one session until its credential would have expired anyway.
    ///
    /// # Errors
    /// When the backend cannot answer.
    fn revoke(&self, op: OpCtx, key: RecordKey, until: Timestamp) -> BoxFuture<'_, Result<(), Error>>;

    /// Denies every credential of `principal` issued up to now.
    ///
    /// # Errors
    /// When the backend cannot answer.
    fn revoke_principal<'a>(&'a self, op: OpCtx, principal: &'a str, until: Timestamp) -> BoxFuture<'a, Result<(), Error>>;

    /// Whether a credential issued at `issued` is denied. One trip.
    ///
    /// # Errors
    /// When the backend cannot answer.
    fn is_revoked<'a>(
        &'a self,
        op: OpCtx,
        key: RecordKey,
        principal: Option<&'a str>,
        issued: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Error>>;
}
