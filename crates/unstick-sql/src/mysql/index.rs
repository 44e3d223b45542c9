//! Sessions by principal: the column itself is the index, so there is nothing to repair. What counts or ends all of a principal's
//! sessions holds the lock of its row among the reservations meanwhile.

use std::{num::NonZeroU32, time::Duration};

use sqlx::{MySql, mysql::MySqlRow};
use unstick_core::{Error, RecordKey, Reservation, SessionEntry, Timestamp};

use super::{
    numbered::Value,
    read::{clock, column},
    store::{Inner, principal},
};
use crate::{delta, engine::Call, row, server::Locked};

fn entry(from: &MySqlRow) -> Result<SessionEntry, Error> {
    row::entry(&column::<Vec<u8>>(from, 0)?, column(from, 1)?, column(from, 2)?, column(from, 3)?)
}

impl Inner {
    pub(super) async fn list_of(&self, call: Call<'_>, name: &str) -> Result<Vec<SessionEntry>, Error> {
        let select = self.sql.list.with(&[principal(name)?, Value::from(call.op.now)]);
        self.pooled.rows(call, select).await?.iter().map(entry).collect()
    }

    /// A transaction that holds the principal's lock; `None` when it is late by now.
    async fn locked_principal(&self, call: Call<'_>, name: Value<'_>) -> Result<Option<Locked<MySql>>, Error> {
        let mut locked = self.begin(call).await?;
        let sent = Timestamp::system_now();
        let answer = locked.lease()?.execute(call, self.sql.lock_principal.with(&[name])).await?;
        let clock = Timestamp::from_millis(i64::try_from(answer.last_insert_id()).unwrap_or(i64::MAX));
        self.pooled.learn(sent, clock);
        Ok((clock < call.deadline).then_some(locked))
    }

    pub(super) async fn end_others_of(
        &self,
        call: Call<'_>,
        name: &str,
        keep: Option<&RecordKey>,
        skew: Duration,
    ) -> Result<Option<u64>, Error> {
        let operation = delta::operation(call.op.op_id);
        let values = [
            principal(name)?,
            Value::from(call.op.now),
            Value::from(keep.map(|key| &key.as_bytes()[..])),
            Value::Number(i64::try_from(skew.as_millis()).unwrap_or(i64::MAX / 4)),
            Value::from(call.deadline),
            Value::Text(&operation),
        ];
        let Some(mut locked) = self.locked_principal(call, values[0]).await? else { return Ok(None) };
        let lease = locked.lease()?;
        // what is reserved first, so that nothing is published behind the others' back
        lease.execute(call, self.sql.end_reserved.with(&values)).await?;
        let published = lease.execute(call, self.sql.end_reserved_live.with(&values)).await?.rows_affected();
        let live = published + lease.execute(call, self.sql.end_live.with(&values)).await?.rows_affected();
        lease.execute(call, self.sql.end_expired.with(&values)).await?;
        locked.commit(call).await?;
        Ok(Some(live))
    }

    pub(super) async fn has_newer_of(&self, call: Call<'_>, name: &str, keep: Option<&RecordKey>) -> Result<bool, Error> {
        let values = [principal(name)?, Value::from(call.op.now), Value::from(keep.map(|key| &key.as_bytes()[..]))];
        let rows = self.pooled.rows(call, self.sql.newer.with(&values)).await?;
        Ok(column::<i64>(rows.first().ok_or_else(row::corrupt)?, 0)? != 0)
    }

    pub(super) async fn reserve_for(
        &self,
        call: Call<'_>,
        name: &str,
        key: &RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> Result<Option<Reservation>, Error> {
        let (name, key) = (principal(name)?, Value::Bytes(key.as_bytes()));
        let Some(mut locked) = self.locked_principal(call, name).await? else { return Ok(None) };
        let lease = locked.lease()?;
        let rows = lease.rows(call, self.sql.places_taken.with(&[name, Value::from(call.op.now), key])).await?;
        let counted = rows.first().ok_or_else(row::corrupt)?;
        if clock(counted, 1)? >= call.deadline {
            return Ok(None);
        }
        if column::<i64>(counted, 0)? >= i64::from(max.get()) {
            return Ok(Some(Reservation::Full));
        }
        let values = [name, key, Value::from(until), Value::from(call.deadline)];
        if lease.execute(call, self.sql.reserve.with(&values)).await?.rows_affected() == 0 {
            return Ok(None);
        }
        locked.commit(call).await?;
        Ok(Some(Reservation::Granted))
    }
}
