//! What can be done to all sessions of a principal when nobody keeps them: end them.

use std::{num::NonZeroU32, time::Duration};

use unstick_core::{BoxFuture, Error, ErrorKind, OpCtx, PrincipalIndex, RecordKey, Reservation, SessionEntry, Timestamp};

use crate::Token;

fn unsupported<'a, T: Send + 'a>(sentence: &'static str) -> BoxFuture<'a, Result<T, Error>> {
    Box::pin(std::future::ready(Err(Error::new(ErrorKind::Unsupported, sentence))))
}

impl PrincipalIndex for Token {
    fn list<'a>(&'a self, _: OpCtx, _: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> {
        unsupported("sessions in tokens cannot be listed: only their clients have them")
    }

    /// Raises the principal's epoch. Nobody knows how many sessions that ends: the answer is 0.
    fn end_others<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        skew: Duration,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        let Some(deny) = &self.deny else {
            return unsupported("sessions in tokens cannot be ended without a deny-list; set `revocations`");
        };
        Box::pin(async move {
            let until = self.lifetimes.absolute_deadline(op.now) + skew;
            deny.list.revoke_principal(op, principal, keep, until).await?;
            Ok(0)
        })
    }

    fn reserve<'a>(&'a self, _: OpCtx, _: &'a str, _: RecordKey, _: NonZeroU32, _: Timestamp) -> BoxFuture<'a, Result<Reservation, Error>> {
        unsupported("sessions in tokens cannot be counted")
    }
}
