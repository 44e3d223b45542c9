//! Rows as the driver returns them.

use sqlx::{MySql, Row, mysql::MySqlRow};
use unstick_core::{Error, Timestamp};

use crate::{
    engine::Seen,
    row::{self, RawRow, Read},
};

pub(super) fn column<'r, T: sqlx::Decode<'r, MySql> + sqlx::Type<MySql>>(row: &'r MySqlRow, at: usize) -> Result<T, Error> {
    row.try_get(at).map_err(|_| row::corrupt())
}

/// In the order of the statements' columns, behind the clock.
fn columns(from: &MySqlRow) -> Result<RawRow, Error> {
    let principal: Option<Vec<u8>> = column(from, 8)?;
    Ok(RawRow {
        format: column(from, 1)?,
        secret: column(from, 2)?,
        previous: column(from, 3)?,
        previous_until: column(from, 4)?,
        previous_reissued: column(from, 5)?,
        rotated: column(from, 6)?,
        reissued: column(from, 7)?,
        principal: principal.map(String::from_utf8).transpose().map_err(|_| row::corrupt())?,
        created: column(from, 9)?,
        idle_deadline: column(from, 10)?,
        absolute_deadline: column(from, 11)?,
        fields: column(from, 12)?,
        applied: column(from, 13)?,
        ended_at: column(from, 14)?,
        ended_until: column(from, 15)?,
    })
}

/// The server's clock in a column.
pub(super) fn clock(from: &MySqlRow, at: usize) -> Result<Timestamp, Error> {
    column(from, at).map(Timestamp::from_millis)
}

/// There is always a row, because of the clock; without a session the rest is NULL.
pub(super) fn seen(from: &MySqlRow) -> Result<Seen, Error> {
    let row: Option<Read> = match column::<Option<i64>>(from, 1) {
        Ok(None) => None,
        Ok(Some(format)) => Some(row::read(format, || columns(from))),
        Err(error) => Some(Err(error.kind())),
    };
    Ok(Seen { row, clock: Some(clock(from, 0)?) })
}
