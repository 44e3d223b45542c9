//! Rows as the driver returns them.

use sqlx::{Row, Sqlite, sqlite::SqliteRow};
use unstick_core::Error;

use crate::{
    engine::Seen,
    row::{self, RawRow},
};

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

pub(super) fn seen(from: Option<&SqliteRow>) -> Seen {
    let read = |from| match column(from, 0) {
        Ok(format) => row::read(format, || columns(from)),
        Err(error) => Err(error.kind()),
    };
    Seen { row: from.map(read), clock: None }
}
