//! The deny-list as a token asks it: closed when it fails, unless the operator chose otherwise.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use unstick_core::{BoxFuture, Error, ErrorKind, EventKind, Events, OpCtx, RecordKey, Revocations, Runtime, Timestamp};

#[derive(Debug)]
pub(crate) struct DenyList {
    pub(crate) list: Arc<dyn Revocations>,
    pub(crate) fail_open: bool,
    pub(crate) runtime: Runtime,
    pub(crate) events: Events,
}

impl DenyList {
    /// Since when the session is denied.
    pub(crate) async fn revoked_at(
        &self,
        op: OpCtx,
        key: RecordKey,
        principal: Option<&str>,
        epoch: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        self.or_open(op, key, self.list.revoked_at(op, key, principal, epoch), None).await
    }

    /// The epoch that a login carries. Failing open, that is a time which no epoch to come is before, whichever node raises it.
    pub(crate) async fn epoch(&self, op: OpCtx, key: RecordKey, principal: &str, skew: Duration) -> Result<Timestamp, Error> {
        self.or_open(op, key, self.list.epoch(op, principal), op.now - skew).await
    }

    /// Denies a session that the same request has replaced by a login.
    pub(crate) async fn replace(&self, op: OpCtx, key: RecordKey, principal: Option<&str>, until: Timestamp) -> Result<(), Error> {
        let revoked = self.list.revoke(op, key, principal, until);
        match principal {
            // The login takes nothing away from a list that is down: what it replaced was nobody's.
            None => self.or_open(op, key, revoked, ()).await,
            Some(_) => revoked.await,
        }
    }

    async fn or_open<T>(&self, op: OpCtx, key: RecordKey, asked: BoxFuture<'_, Result<T, Error>>, open: T) -> Result<T, Error> {
        if !self.fail_open {
            return asked.await;
        }
        // A login asks three times, and time must be left to seal.
        let answer = match select(asked, pin!(self.runtime.sleep(op.budget() / 4))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(Error::new(ErrorKind::Timeout, "the deny-list did not answer in a quarter of the deadline")),
        };
        Ok(answer.unwrap_or_else(|_| {
            self.events.emit(EventKind::LoadFailed, Some(key.tag()), "the deny-list cannot be asked: failing open");
            open
        }))
    }
}
