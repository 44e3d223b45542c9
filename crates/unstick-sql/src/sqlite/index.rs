//! Sessions by principal: the column itself is the index, so there is nothing to repair.

use std::{num::NonZeroU32, time::Duration};

use sqlx::sqlite::SqliteRow;
use unstick_core::{Error, RecordKey, Reservation, SessionEntry, Timestamp};

use super::{
    error,
    read::column,
    store::{Inner, is_late, statement},
};
use crate::{delta, engine::Call, row};

fn entry(from: &SqliteRow) -> Result<SessionEntry, Error> {
    row::entry(&column::<Vec<u8>>(from, 0)?, column(from, 1)?, column(from, 2)?, column(from, 3)?)
}

impl Inner {
    pub(super) async fn list_of(&self, call: Call<'_>, principal: &str) -> Result<Vec<SessionEntry>, Error> {
        let select = statement(&self.sql.list).bind(principal.to_owned()).bind(call.op.now.as_millis());
        select.fetch_all(&self.reader).await.map_err(error::run_time)?.iter().map(entry).collect()
    }

    pub(super) async fn end_others_of(
        &self,
        call: Call<'_>,
        principal: &str,
        keep: Option<&RecordKey>,
        skew: Duration,
    ) -> Result<Option<u64>, Error> {
        let upsert = statement(&self.sql.end_others)
            .bind(principal.to_owned())
            .bind(call.op.now.as_millis())
            .bind(keep.map(|key| key.as_bytes().to_vec()))
            .bind(i64::try_from(skew.as_millis()).unwrap_or(i64::MAX / 4))
            .bind(call.deadline.as_millis())
            .bind(delta::operation(call.op.op_id));
        let rows = self.write(upsert).await?;
        if rows.is_empty() && is_late(call.deadline) {
            return Ok(None);
        }
        rows.iter().try_fold(0, |live, row| Ok(live + u64::from(column::<bool>(row, 0)?))).map(Some)
    }

    pub(super) async fn has_newer_of(&self, call: Call<'_>, principal: &str, keep: Option<&RecordKey>) -> Result<bool, Error> {
        let select = statement(&self.sql.newer)
            .bind(principal.to_owned())
            .bind(call.op.now.as_millis())
            .bind(keep.map(|key| key.as_bytes().to_vec()));
        column(&select.fetch_one(&self.reader).await.map_err(error::run_time)?, 0)
    }

    pub(super) async fn reserve_for(
        &self,
        call: Call<'_>,
        principal: &str,
        key: &RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> Result<Option<Reservation>, Error> {
        let upsert = statement(&self.sql.reserve)
            .bind(principal.to_owned())
            .bind(call.op.now.as_millis())
            .bind(key.as_bytes().to_vec())
            .bind(i64::from(max.get()))
            .bind(until.as_millis())
            .bind(call.deadline.as_millis());
        Ok(match upsert.execute(&self.writer).await.map_err(error::run_time)?.rows_affected() {
            0 if is_late(call.deadline) => None,
            0 => Some(Reservation::Full),
            _ => Some(Reservation::Granted),
        })
    }
}
