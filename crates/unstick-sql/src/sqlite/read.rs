//! Rows as the driver returns them.

use sqlx::{Row, Sqlite, sqlite::SqliteRow};
use unstick_core::{Error, Record};

use crate::row::{self, RawRow};

pub(super) fn column<'r, T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>>(row: &'r SqliteRow, at: usize) -> Result<T, Error> {
    row.try_get(at).map_err(|_| row::corrupt())
}

/// In the order of the statements' columns.
fn columns(from: &SqliteRow) -> Result<RawRow, Error> {
    Ok(RawRow {
        format: column(from, 0)?,
        secret: column(from, 1)?,
        previous: column(from, 2)?,
        previous_until: column(from, 3)?,
        previous_reissued: column(from, 4)?,
        rotated: column(from, 5)?,
        reissued: column(from, 6)?,
        principal: column(from, 7)?,
        created: column(from, 8)?,
        idle_deadline: column(from, 9)?,
        absolute_deadline: column(from, 10)?,
        fields: column(from, 11)?,
        applied: column(from, 12)?,
        ended_at: column(from, 13)?,
        ended_until: column(from, 14)?,
    })
}

/// A row of a newer format may have columns of other types: its number alone decides.
pub(super) fn raw(from: &SqliteRow) -> Result<RawRow, Error> {
    let format: i64 = column(from, 0)?;
    if format > row::ROW_FORMAT { Err(row::unknown_format()) } else { columns(from) }
}

/// The record of a row, or why it cannot be read.
pub(super) fn record(from: &SqliteRow) -> Result<Record, Error> {
    raw(from)?.into_record()
}
