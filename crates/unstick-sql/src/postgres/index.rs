//! Sessions by principal: the column itself is the index, so there is nothing to repair.
//!
//! A statement sees what was committed when it began, before it waited for anything. So that two logins don't both see the
//! last place free, each first waits for the principal's lock in a statement of its own, in the same trip: the server runs
//! statements that are sent together in one transaction, and each of them sees what was committed when it began.

use std::{fmt::Write as _, num::NonZeroU32, time::Duration};

use sqlx::{AssertSqlSafe, SqlSafeStr, postgres::PgRow};
use unstick_core::{Error, ErrorKind, RecordKey, Reservation, Timestamp};

use super::{
    read::column,
    statements::{BURIED, CLOCK, TOMBSTONE, in_time, tombstone},
    store::{Inner, check_text},
};
use crate::{delta, engine::Call, row::ROW_FORMAT};

/// Bytes as an expression.
fn bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + 16);
    text.push_str("decode('");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // to a string: cannot fail
    }
    text.push_str("', 'hex')");
    text
}

/// A text as an expression, in digits only: whatever it holds, it is no SQL.
fn text(text: &str) -> Result<String, Error> {
    check_text(text)?;
    Ok(format!("convert_from({}, 'UTF8')", bytes(text.as_bytes())))
}

impl Inner {
    /// The rows of `statement` under the principal's lock; `None` when nothing was done because it was late.
    async fn alone(&self, call: Call<'_>, principal: &str, statement: &str) -> Result<Option<Vec<PgRow>>, Error> {
        let sql = format!(
            "SELECT CASE WHEN pg_advisory_xact_lock(hashtextextended('{}' || {principal}, 0)) IS NULL THEN 0 ELSE {CLOCK} END; {statement}; \
             SELECT {CLOCK}",
            self.sql.sessions
        );
        let mut lease = self.pooled.lease(call).await?;
        let sent = Timestamp::system_now();
        let mut rows = match lease.raw(call, AssertSqlSafe(sql).into_sql_str()).await {
            Err(error) if error.kind() == ErrorKind::Late => return Ok(None),
            answer => answer?,
        };
        let clock = Timestamp::from_millis(rows.pop().map_or(Ok(0), |row| column(&row, 0))?);
        self.pooled.learn(sent, clock);
        rows.drain(..rows.len().min(1));
        Ok((!rows.is_empty() || clock < call.deadline).then_some(rows))
    }

    pub(super) async fn end_others_of(
        &self,
        call: Call<'_>,
        principal: &str,
        keep: Option<&RecordKey>,
        skew: Duration,
    ) -> Result<Option<u64>, Error> {
        let (now, deadline) = (call.op.now.as_millis(), call.deadline.as_millis());
        let (sessions, reservations, principal) = (&self.sql.sessions, &self.sql.reservations, text(principal)?);
        let skew = i64::try_from(skew.as_millis()).unwrap_or(i64::MAX / 4);
        let keep = keep.map_or_else(|| "true".to_owned(), |key| format!("o.key <> {}", bytes(key.as_bytes())));
        let op = format!("'{}'", delta::operation(call.op.op_id));
        // In the order of keys, so that two of these at once don't wait for each other.
        let statement = format!(
            "INSERT INTO {sessions} AS s ({TOMBSTONE}) SELECT {} FROM (SELECT key, max(until) AS until FROM ( \
             SELECT key, idle_deadline AS until FROM {sessions} WHERE principal = {principal} AND ended_at IS NULL UNION ALL \
             SELECT key, until FROM {reservations} WHERE principal = {principal} AND until > {now}) AS all_of GROUP BY key) AS o \
             WHERE {keep} AND {CLOCK} < {deadline} ORDER BY o.key \
             ON CONFLICT (key) DO UPDATE SET {BURIED}, ended_op = excluded.ended_op, ended_live = true, \
             ended_until = greatest(excluded.ended_until, s.idle_deadline + {skew}), ended_at = {now} \
             WHERE s.ended_at IS NULL AND s.format = {ROW_FORMAT} \
             RETURNING CASE WHEN s.ended_live AND s.idle_deadline > {now} THEN 1::bigint ELSE 0 END, {}",
            tombstone("o.key", &now.to_string(), &format!("greatest(o.until, {now}) + {skew}"), &op),
            in_time(&deadline.to_string())
        );
        let Some(rows) = self.alone(call, &principal, &statement).await? else { return Ok(None) };
        rows.iter().try_fold(0, |live, row| Ok(live + u64::from(column::<i64>(row, 0)? == 1))).map(Some)
    }

    pub(super) async fn reserve_for(
        &self,
        call: Call<'_>,
        principal: &str,
        key: &RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> Result<Option<Reservation>, Error> {
        let (now, until, deadline) = (call.op.now.as_millis(), until.as_millis(), call.deadline.as_millis());
        let (sessions, reservations, principal) = (&self.sql.sessions, &self.sql.reservations, text(principal)?);
        let key = bytes(key.as_bytes());
        let statement = format!(
            "INSERT INTO {reservations} AS r (principal, key, until) SELECT {principal}, {key}, {until} WHERE {CLOCK} < {deadline} \
             AND {max} > (SELECT count(*) FROM ( \
             SELECT key FROM {sessions} WHERE principal = {principal} AND key <> {key} AND ended_at IS NULL AND {now} < idle_deadline \
             AND {now} < absolute_deadline UNION \
             SELECT key FROM {reservations} AS o WHERE principal = {principal} AND key <> {key} AND until > {now} \
             AND NOT EXISTS (SELECT FROM {sessions} AS s WHERE s.key = o.key AND s.ended_at IS NOT NULL)) AS taken) \
             ON CONFLICT (principal, key) DO UPDATE SET until = greatest(r.until, excluded.until) RETURNING {}",
            in_time(&deadline.to_string())
        );
        let rows = self.alone(call, &principal, &statement).await?;
        Ok(rows.map(|rows| if rows.is_empty() { Reservation::Full } else { Reservation::Granted }))
    }
}
