//! Rows as the driver returns them.

use sqlx::{Postgres, Row, postgres::PgRow};
use unstick_core::{Error, Timestamp};

use crate::{
    engine::Seen,
    row::{self, RawRow},
};

pub(super) fn column<'r, T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>>(row: &'r PgRow, at: usize) -> Result<T, Error> {
    row.try_get(at).map_err(|_| row::corrupt())
}

/// Where the server's clock is, behind the columns of a row.
pub(super) const CLOCK_AT: usize = 15;

/// In the order of the statements' columns.
fn columns(from: &PgRow) -> Result<RawRow, Error> {
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

/// The one row of a read; without a format there is no session.
pub(super) fn seen(rows: &[PgRow]) -> Result<Seen, Error> {
    let from = rows.first().ok_or_else(row::corrupt)?;
    let format: Option<i64> = column(from, 0)?;
    let clock = Timestamp::from_millis(column(from, CLOCK_AT)?);
    Ok(Seen { row: format.map(|format| row::read(format, || columns(from))), clock: Some(clock) })
}
