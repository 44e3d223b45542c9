//! A deny-list and principal epochs in any [`Store`], next to its sessions or alone.
//!
//! | asked for | is looked for in | trips |
//! |---|---|---|
//! | an anonymous session | a tombstone under a hash of its key | 1 |
//! | a session of a principal | the principal's record, which holds its epoch and its denied sessions | 1 |
//! | a principal's epoch, at login | the same | 1; 2 when 30 days have just begun |
//! | denying an anonymous session | | 1 |
//! | denying a principal's session, raising its epoch | | 2 for each 30 days that the denial must outlive, rounded up |
//!
//! Records are kept per principal and per 30 days, and expire by themselves: a denial is written to every such period in
//! which its sessions can still be presented, and one before and after, as far as the nodes' clocks may be apart.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use unstick_core::{OpCtx, OpId, RecordKey, Revocations, Timestamp};
//! use unstick_memory::MemoryStore;
//! use unstick_token::StoreRevocations;
//!
//! # fn main() -> Result<(), unstick_core::Error> { tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let list = StoreRevocations::new(MemoryStore::new());
//! let now = Timestamp::system_now();
//! let op = |n| OpCtx { now, deadline: now + Duration::from_secs(60), op_id: OpId::from_u128(n) };
//! let (key, until) = (RecordKey::from_bytes([1; 32]), now + Duration::from_secs(3600));
//! let epoch = list.epoch(op(1), "ann").await?;
//! assert!(list.revoked_at(op(2), key, Some("ann"), epoch).await?.is_none());
//! list.revoke_principal(op(3), "ann", None, until).await?;
//! assert!(list.revoked_at(op(4), key, Some("ann"), epoch).await?.is_some());
//! # Ok(()) }) }
//! ```

mod place;
mod principal;

use std::time::Duration;

use unstick_core::{BoxFuture, Error, ErrorKind, Loaded, OpCtx, Presented, RecordKey, Revocations, Scope, SecretHash, Store, Timestamp};

use self::{place::Place, principal::Denials};

/// [`Revocations`] over a [`Store`]. See the [module docs](self).
///
/// Where it reaches is where the store reaches: over a store of one process, other nodes know nothing of a revocation, and
/// [`Token`](crate::Token) says of its sessions that they reach no further. What the store loses, in a failover or under
/// memory pressure, is no longer denied.
#[derive(Debug)]
pub struct StoreRevocations<S> {
    store: S,
    skew: Duration,
}

impl<S: Store> StoreRevocations<S> {
    /// Denied sessions of one principal, in 30 days, that are kept one by one. Beyond, all that the principal has begun are denied.
    pub const MAX_DENIED: usize = 256;

    /// Over `store`, which may hold sessions too: the records do not meet.
    pub fn new(store: S) -> Self {
        Self { store, skew: Duration::from_secs(300) }
    }

    /// How far the clocks of two nodes may be apart, at most a day. Default 5 minutes.
    #[must_use]
    pub fn skew(self, skew: Duration) -> Self {
        Self { skew: skew.min(Duration::from_secs(24 * 3600)), ..self }
    }

    async fn deny_nobodys(&self, op: OpCtx, key: RecordKey, until: Timestamp) -> Result<(), Error> {
        self.store.end(op, place::of_session(key), None, until).await.map(drop)
    }

    async fn is_nobodys_denied(&self, op: OpCtx, key: RecordKey) -> Result<Option<Timestamp>, Error> {
        let nobody = Presented { secret: SecretHash::from_bytes([0; 16]), issued: op.now, idle_deadline: op.now };
        match self.store.load(op, place::of_session(key), nobody, None).await? {
            Loaded::Missing => Ok(None),
            Loaded::Ended { at } => Ok(Some(at)),
            other => Err(unreadable(&other)),
        }
    }

    async fn denials(&self, op: OpCtx, place: &Place) -> Result<Option<Denials>, Error> {
        match self.store.load(op, place.key, place.presented(), None).await? {
            Loaded::Missing | Loaded::Expired => Ok(None),
            Loaded::Live(live) => Denials::read(live.fields).map(Some),
            other => Err(unreadable(&other)),
        }
    }
}

/// Whatever it is, it is not a record of ours: nobody can say who is denied.
fn unreadable(loaded: &Loaded) -> Error {
    let kind = if let Loaded::Unreadable(kind) = loaded { *kind } else { ErrorKind::Corrupt };
    Error::new(kind, "a record of the deny-list cannot be read")
}

impl<S: Store> Revocations for StoreRevocations<S> {
    /// The store's.
    fn scope(&self) -> Scope {
        self.store.scope()
    }

    fn revoke<'a>(&'a self, op: OpCtx, key: RecordKey, principal: Option<&'a str>, until: Timestamp) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match principal {
                None => self.deny_nobodys(op, key, until).await,
                Some(principal) => self.deny(op, principal, key, until).await,
            }
        })
    }

    fn revoke_principal<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.raise(op, principal, keep, until))
    }

    fn epoch<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Timestamp, Error>> {
        Box::pin(async move {
            let mut epoch = Timestamp::ZERO;
            // Two when a period has just begun: nodes that are behind still look into the last one.
            for place in Place::between(principal, op.now - self.skew, op.now) {
                epoch = self.denials(op, &place).await?.map_or(epoch, |denials| epoch.max(denials.epoch()));
            }
            Ok(epoch)
        })
    }

    fn revoked_at<'a>(
        &'a self,
        op: OpCtx,
        key: RecordKey,
        principal: Option<&'a str>,
        epoch: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Timestamp>, Error>> {
        Box::pin(async move {
            let Some(principal) = principal else { return self.is_nobodys_denied(op, key).await };
            let denials = self.denials(op, &Place::of_principal(principal, op.now)).await?;
            Ok(denials.and_then(|denials| denials.of(key, epoch)))
        })
    }
}
