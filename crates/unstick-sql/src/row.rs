//! A row as the engine returns it, its way into a [`Record`], and what a refused write means.

use unstick_core::{
    Applied, Change, Created, Error, ErrorKind, Life, OpCtx, Presented, PreviousSecret, Record, RecordKey, Rotated, Rotation, SecretHash,
    SessionEntry, Timestamp,
};

use crate::delta;

/// Format of the rows that this release writes.
pub(crate) const ROW_FORMAT: i64 = 1;

/// A row, or why it cannot be read.
pub(crate) type Read = Result<RawRow, ErrorKind>;

/// The record of a row, or why it cannot be read.
pub(crate) fn record(read: Read) -> Result<Record, ErrorKind> {
    read.and_then(|row| row.into_record().map_err(|error| error.kind()))
}

/// A row of a newer format may have columns of other types: its number alone decides.
pub(crate) fn read(format: i64, columns: impl FnOnce() -> Result<RawRow, Error>) -> Read {
    if format > ROW_FORMAT { Err(ErrorKind::UnknownFormat) } else { columns().map_err(|error| error.kind()) }
}

/// Columns in plain types.
#[derive(Debug, Clone)]
pub(crate) struct RawRow {
    pub(crate) format: i64,
    pub(crate) secret: Vec<u8>,
    pub(crate) previous: Option<Vec<u8>>,
    pub(crate) previous_until: Option<i64>,
    pub(crate) previous_reissued: Option<i64>,
    pub(crate) rotated: i64,
    pub(crate) reissued: i64,
    pub(crate) principal: Option<String>,
    pub(crate) created: i64,
    pub(crate) idle_deadline: i64,
    pub(crate) absolute_deadline: i64,
    pub(crate) fields: String,
    pub(crate) applied: String,
    pub(crate) ended_at: Option<i64>,
    pub(crate) ended_until: Option<i64>,
}

pub(crate) fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "a stored session record cannot be read")
}

pub(crate) fn unknown_format() -> Error {
    Error::new(ErrorKind::UnknownFormat, "a stored session record was written by a newer release")
}

/// The error of a row that cannot be read.
pub(crate) fn unreadable(kind: ErrorKind) -> Error {
    if kind == ErrorKind::UnknownFormat { unknown_format() } else { corrupt() }
}

pub(crate) fn late() -> Error {
    Error::new(ErrorKind::Late, "the operation arrived after its deadline and was refused")
}

fn secret(bytes: &[u8]) -> Result<SecretHash, Error> {
    bytes.try_into().map(SecretHash::from_bytes).map_err(|_| corrupt())
}

impl RawRow {
    /// The record, or why it cannot be read.
    pub(crate) fn into_record(self) -> Result<Record, Error> {
        let at = Timestamp::from_millis;
        if self.format != ROW_FORMAT {
            return Err(if self.format > ROW_FORMAT { unknown_format() } else { corrupt() });
        }
        if let Some(ended) = self.ended_at {
            return Ok(Record::tombstone(at(ended), at(self.ended_until.ok_or_else(corrupt)?)));
        }
        let previous = match self.previous {
            None => None,
            Some(bytes) => Some(PreviousSecret {
                secret: secret(&bytes)?,
                grace_until: at(self.previous_until.ok_or_else(corrupt)?),
                reissued_since: at(self.previous_reissued.unwrap_or(0)),
            }),
        };
        Ok(Record {
            life: Life::Live,
            secret: secret(&self.secret)?,
            previous,
            rotated: at(self.rotated),
            reissued: at(self.reissued),
            principal: self.principal.map(Into::into),
            created: at(self.created),
            idle_deadline: at(self.idle_deadline),
            absolute_deadline: at(self.absolute_deadline),
            fields: delta::read_fields(&self.fields)?,
            applied: delta::read_applied(&self.applied)?,
        })
    }
}

/// Which id a change was let in by, from what the row holds after it.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn proof(op: &OpCtx, current: bool, previous_until: Option<i64>) -> unstick_core::Proof {
    use unstick_core::Proof;

    match previous_until {
        _ if current => Proof::Current,
        Some(until) if op.now.as_millis() < until => Proof::Grace,
        _ => Proof::Reordered,
    }
}

/// An entry of the principal index.
pub(crate) fn entry(key: &[u8], created: i64, idle_deadline: i64, absolute_deadline: i64) -> Result<SessionEntry, Error> {
    let at = Timestamp::from_millis;
    let key = RecordKey::from_bytes(key.try_into().map_err(|_| corrupt())?);
    Ok(SessionEntry { key, created: at(created), idle_deadline: at(idle_deadline), absolute_deadline: at(absolute_deadline) })
}

pub(crate) fn was_applied(record: &Record, op: &OpCtx) -> bool {
    record.applied.iter().any(|(id, _)| *id == op.op_id)
}

/// Why an `apply` in time touched no row, given the row as it is now.
pub(crate) fn refused_apply(mut record: Record, op: &OpCtx, presented: &Presented, change: &Change) -> Applied {
    let before = was_applied(&record, op);
    let fields = record.fields.clone();
    match record.apply(op, presented, change) {
        // It would be accepted now: the row changed between the two statements. The caller decides anew.
        Applied::Done { .. } if !before => Applied::Conflict(fields),
        answer => answer,
    }
}

/// Why a `rotate` in time touched no row, given the row as it is now.
pub(crate) fn refused_rotate(mut record: Record, op: &OpCtx, presented: &Presented, rotation: &Rotation, change: &Change) -> Rotated {
    let before = was_applied(&record, op);
    let fields = record.fields.clone();
    match record.rotate(op, presented, rotation, change) {
        Rotated::Done { .. } if !before => Rotated::Refused(Applied::Conflict(fields)),
        answer => answer,
    }
}

/// Why a `create` in time inserted no row, given the row that is there.
pub(crate) fn refused_create(row: RawRow, op: &OpCtx) -> Created {
    match row.into_record() {
        Ok(Record { life: Life::Ended { at, .. }, .. }) => Created::Ended { at },
        Ok(record) if was_applied(&record, op) => Created::Done,
        _ => Created::Exists,
    }
}
