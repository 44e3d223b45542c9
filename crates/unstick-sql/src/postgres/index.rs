//! Sessions by principal: the column itself is the index, so there is nothing to repair.
//!
//! A statement sees what was committed when it began, before it waited for anything. So that two logins don't both see the
//! last place free, each first waits for the principal's lock in a statement of its own: four trips, for what is rare.

use std::{num::NonZeroU32, time::Duration};

use sqlx::{Postgres, postgres::PgRow};
use unstick_core::{Error, ErrorKind, RecordKey, Reservation, SessionEntry, Timestamp};

use super::{
    read::column,
    store::{Inner, check_text, statement},
};
use crate::{delta, engine::Call, row, server::Statement};

fn entry(from: &PgRow) -> Result<SessionEntry, Error> {
    row::entry(&column::<Vec<u8>>(from, 0)?, column(from, 1)?, column(from, 2)?, column(from, 3)?)
}

impl Inner {
    pub(super) async fn list_of(&self, call: Call<'_>, principal: &str) -> Result<Vec<SessionEntry>, Error> {
        check_text(principal)?;
        let select = statement(&self.sql.list).bind(principal.to_owned()).bind(call.op.now.as_millis());
        self.pooled.rows(call, select).await?.iter().map(entry).collect()
    }

    /// What a change counted under the principal's lock: rows, and live ones. `None`: it was late, and nothing was done.
    async fn alone(&self, call: Call<'_>, principal: &str, change: Statement<Postgres>) -> Result<Option<(i64, i64)>, Error> {
        let mut locked = self.begin(call).await?;
        let lock = statement(&self.sql.lock_principal).bind(principal.to_owned());
        locked.lease()?.rows(call, lock).await?;
        let sent = Timestamp::system_now();
        let rows = match locked.lease()?.rows(call, change).await {
            Err(error) if error.kind() == ErrorKind::Late => return Ok(None),
            answer => answer?,
        };
        let row = rows.first().ok_or_else(row::corrupt)?;
        let (count, live, clock) = (column(row, 0)?, column(row, 1)?, Timestamp::from_millis(column(row, 2)?));
        self.pooled.learn(sent, clock);
        if count == 0 && clock >= call.deadline {
            return Ok(None);
        }
        locked.commit(call).await?;
        Ok(Some((count, live)))
    }

    pub(super) async fn end_others_of(
        &self,
        call: Call<'_>,
        principal: &str,
        keep: Option<&RecordKey>,
        skew: Duration,
    ) -> Result<Option<u64>, Error> {
        check_text(principal)?;
        let upsert = statement(&self.sql.end_others)
            .bind(principal.to_owned())
            .bind(call.op.now.as_millis())
            .bind(keep.map(|key| key.as_bytes().to_vec()))
            .bind(i64::try_from(skew.as_millis()).unwrap_or(i64::MAX / 4))
            .bind(call.deadline.as_millis())
            .bind(delta::operation(call.op.op_id));
        let counted = self.alone(call, principal, upsert).await?;
        Ok(counted.map(|(_, live)| u64::try_from(live).unwrap_or(0)))
    }

    pub(super) async fn has_newer_of(&self, call: Call<'_>, principal: &str, keep: Option<&RecordKey>) -> Result<bool, Error> {
        let select = statement(&self.sql.newer)
            .bind(principal.to_owned())
            .bind(call.op.now.as_millis())
            .bind(keep.map(|key| key.as_bytes().to_vec()));
        column(self.pooled.rows(call, select).await?.first().ok_or_else(row::corrupt)?, 0)
    }

    pub(super) async fn reserve_for(
        &self,
        call: Call<'_>,
        principal: &str,
        key: &RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> Result<Option<Reservation>, Error> {
        check_text(principal)?;
        let upsert = statement(&self.sql.reserve)
            .bind(principal.to_owned())
            .bind(call.op.now.as_millis())
            .bind(key.as_bytes().to_vec())
            .bind(i64::from(max.get()))
            .bind(call.deadline.as_millis())
            .bind(until.as_millis());
        let counted = self.alone(call, principal, upsert).await?;
        Ok(counted.map(|(places, _)| if places == 0 { Reservation::Full } else { Reservation::Granted }))
    }
}
