//! Sessions by principal: the column itself is the index, so there is nothing to repair.

use std::{num::NonZeroU32, time::Duration};

use unstick_core::{BoxFuture, Error, OpCtx, PrincipalIndex, RecordKey, Reservation, SessionEntry, Timestamp};

use super::{
    SqliteStore, error,
    read::column,
    store::{is_late, statement},
};
use crate::{delta, row};

fn entry(from: &sqlx::sqlite::SqliteRow) -> Result<SessionEntry, Error> {
    let key: Vec<u8> = column(from, 0)?;
    let key = key.try_into().map_err(|_| row::corrupt())?;
    let at = |column_at| column(from, column_at).map(Timestamp::from_millis);
    Ok(SessionEntry { key: RecordKey::from_bytes(key), created: at(1)?, idle_deadline: at(2)?, absolute_deadline: at(3)? })
}

impl PrincipalIndex for SqliteStore {
    fn list<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> {
        Box::pin(async move {
            let select = statement(&self.inner.sql.list).bind(principal.to_owned()).bind(op.now.as_millis());
            select.fetch_all(&self.inner.reader).await.map_err(error::run_time)?.iter().map(entry).collect()
        })
    }

    fn end_others<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        skew: Duration,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move {
            let deadline = self.inner.engine_deadline(&op);
            let upsert = statement(&self.inner.sql.end_others)
                .bind(principal.to_owned())
                .bind(op.now.as_millis())
                .bind(keep.map(|key| key.as_bytes().to_vec()))
                .bind(i64::try_from(skew.as_millis()).unwrap_or(i64::MAX / 4))
                .bind(deadline.as_millis())
                .bind(delta::operation(op.op_id));
            let rows = self.write(upsert).await.map_err(error::run_time)?;
            if rows.is_empty() && is_late(deadline) {
                return Err(row::late());
            }
            rows.iter().try_fold(0, |live, row| Ok(live + u64::from(column::<bool>(row, 0)?)))
        })
    }

    fn reserve<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        key: RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Reservation, Error>> {
        Box::pin(async move {
            let deadline = self.inner.engine_deadline(&op);
            let upsert = statement(&self.inner.sql.reserve)
                .bind(principal.to_owned())
                .bind(op.now.as_millis())
                .bind(key.as_bytes().to_vec())
                .bind(i64::from(max.get()))
                .bind(until.as_millis())
                .bind(deadline.as_millis());
            match upsert.execute(&self.inner.writer).await.map_err(error::run_time)?.rows_affected() {
                0 if is_late(deadline) => Err(row::late()),
                0 => Ok(Reservation::Full),
                _ => Ok(Reservation::Granted),
            }
        })
    }
}
