//! What is stored, and its way into a [`Record`].
//!
//! A session is one string, so that reading it is one `GET`. All numbers are big-endian:
//!
//! ```text
//! live       "uR" 1 0 | idle i64 | reissued i64 | secret 16 | absolute i64 | aside i64 | ops at u32 | fields at u32
//!            | rotated i64 | created i64 | previous secret 16 | grace i64 | reissued since i64 | has previous u8
//!            | has principal u8, principal | ops: { operation 16, remembered until i64 }*
//!            | fields: { name length u32, value length u32, version u64, name, value }*
//! tombstone  "uR" 1 1 | ended at i64 | until i64 | operation 16 | ended a live session u8
//! ```
//!
//! What scripts judge and rewrite at every change comes first, at fixed places. `aside`: until when operations are remembered in the
//! sorted set beside the session, where those go that are too many for the record. The time until which an operation is remembered is
//! on the server's clock, every other time on the nodes'.

use std::{str, sync::Arc};

use bytes::Bytes;
use unstick_core::{Error, ErrorKind, Field, FieldVersion, Fields, Life, OpId, PreviousSecret, Record, SecretHash, Timestamp};

use crate::error;

/// Format of the sessions that this release writes.
pub(crate) const FORMAT: u8 = 1;
pub(crate) const MAGIC: &[u8; 2] = b"uR";
/// Bytes up to the principal's text.
pub(crate) const HEAD: usize = 110;

/// Up to here, in bytes, what is kept of an answer is copied: the answer's memory belongs to all that came in one packet, whose readers
/// on several cores would wait for one another at every count of it, and which one small value would keep as a whole.
const COPIED: usize = 4096;

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(error::corrupt)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(error::corrupt)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    fn flag(&mut self) -> Result<bool, Error> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(error::corrupt()),
        }
    }

    fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| error::corrupt())
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    fn time(&mut self) -> Result<Timestamp, Error> {
        self.array().map(i64::from_be_bytes).map(Timestamp::from_millis)
    }

    fn secret(&mut self) -> Result<SecretHash, Error> {
        self.array().map(SecretHash::from_bytes)
    }

    fn text(&mut self, length: usize) -> Result<Arc<str>, Error> {
        str::from_utf8(self.take(length)?).map(Arc::from).map_err(|_| error::corrupt())
    }
}

/// Reads a session of any released format.
///
/// A record without its fields, as the index reads it, is one without fields.
pub(crate) fn record(bytes: &Bytes) -> Result<Record, Error> {
    let total = bytes.len();
    let mut from = Reader(bytes);
    if from.array()? != *MAGIC {
        return Err(error::corrupt());
    }
    match from.u8()? {
        FORMAT => {}
        0 => return Err(error::corrupt()),
        _ => return Err(error::unknown_format()),
    }
    if from.flag()? {
        let (at, until) = (from.time()?, from.time()?);
        from.take(17)?;
        return if from.0.is_empty() { Ok(Record::tombstone(at, until)) } else { Err(error::corrupt()) };
    }
    let (idle_deadline, reissued, secret, absolute_deadline) = (from.time()?, from.time()?, from.secret()?, from.time()?);
    let (_aside, ops_at, fields_at) = (from.time()?, from.length()?, from.length()?);
    let (rotated, created) = (from.time()?, from.time()?);
    let previous = PreviousSecret { secret: from.secret()?, grace_until: from.time()?, reissued_since: from.time()? };
    let previous = from.flag()?.then_some(previous);
    let named = from.flag()?;
    if ops_at < HEAD || fields_at < ops_at || fields_at > total || !(fields_at - ops_at).is_multiple_of(24) {
        return Err(error::corrupt());
    }
    let principal = from.text(ops_at - HEAD)?;
    let principal = match (named, principal.is_empty()) {
        (true, _) => Some(principal),
        (false, true) => None,
        (false, false) => return Err(error::corrupt()),
    };
    let mut applied = Vec::with_capacity((fields_at - ops_at) / 24);
    for _ in 0..(fields_at - ops_at) / 24 {
        applied.push((OpId::from_u128(u128::from_be_bytes(from.array()?)), from.time()?));
    }
    let fields = fields(bytes, from.0)?;
    Ok(Record {
        life: Life::Live,
        secret,
        previous,
        rotated,
        reissued,
        principal,
        created,
        idle_deadline,
        absolute_deadline,
        fields,
        applied,
    })
}

fn fields(answer: &Bytes, bytes: &[u8]) -> Result<Fields, Error> {
    let kept = if bytes.len() > COPIED { answer.slice_ref(bytes) } else { Bytes::copy_from_slice(bytes) };
    let mut from = Reader(&kept);
    let mut all = Vec::with_capacity(count(Reader(bytes))?);
    while !from.0.is_empty() {
        let (name, value, version) = (from.length()?, from.length()?, from.u64()?);
        let name = from.text(name)?;
        all.push((name, Field { version: FieldVersion::from_u64(version), value: kept.slice_ref(from.take(value)?) }));
    }
    let count = all.len();
    let fields = Fields::from_iter(all);
    if fields.len() == count { Ok(fields) } else { Err(error::corrupt()) }
}

fn count(mut from: Reader<'_>) -> Result<usize, Error> {
    let mut count = 0;
    while !from.0.is_empty() {
        let (name, value) = (from.length()?, from.length()?);
        from.take(8)?;
        from.take(name)?;
        from.take(value)?;
        count += 1;
    }
    Ok(count)
}

/// Splits "cannot be read" off from errors of the server.
pub(crate) fn readable<T>(result: Result<T, Error>) -> Result<Result<T, ErrorKind>, Error> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownFormat) => Ok(Err(error.kind())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.trim().bytes().map(|c| char::from(c).to_digit(16).unwrap().to_le_bytes()[0]).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// What releases wrote before stays readable.
    #[test]
    fn stored_bytes_are_understood() {
        let at = |seconds: u64| Timestamp::from_millis(1_700_000_000_000) + std::time::Duration::from_secs(seconds);
        let opaque = Timestamp::from_millis(i64::from_be_bytes([0xee; 8]));
        let op = |n: u128| (OpId::from_u128(n << 64 | n), opaque);
        let field = |version, value: &'static str| Field { version: FieldVersion::from_u64(version), value: value.into() };
        let cart = (Arc::from("cart"), field(7, "[1]"));
        let created = Record {
            life: Life::Live,
            secret: SecretHash::from_bytes([1; 16]),
            previous: None,
            rotated: at(0),
            reissued: Timestamp::ZERO,
            principal: Some("ann".into()),
            created: at(0),
            idle_deadline: at(60),
            absolute_deadline: at(600),
            fields: Fields::from_iter([cart.clone()]),
            applied: vec![op(1)],
        };
        assert_eq!(record(&bytes(include_str!("../tests/golden/created.hex")).into()).unwrap(), created);
        let name = (Arc::from("name"), field(op(2).0.field_version().as_u64(), "\"x\""));
        let rotated = Record {
            secret: SecretHash::from_bytes([2; 16]),
            previous: Some(PreviousSecret {
                secret: created.secret,
                grace_until: at(30),
                reissued_since: at(0) + std::time::Duration::from_millis(1),
            }),
            rotated: at(1),
            idle_deadline: at(61),
            fields: Fields::from_iter([cart, name]),
            applied: vec![op(1), op(2)],
            ..created
        };
        assert_eq!(record(&bytes(include_str!("../tests/golden/rotated.hex")).into()).unwrap(), rotated);
        let ended = record(&bytes(include_str!("../tests/golden/ended.hex")).into()).unwrap();
        assert_eq!(ended, Record::tombstone(at(1), at(900)));
    }

    #[test]
    fn what_is_cut_off_is_corrupt() {
        for text in [include_str!("../tests/golden/rotated.hex"), include_str!("../tests/golden/ended.hex")] {
            let whole = bytes(text);
            for length in 0..whole.len() {
                // without its fields, or without some of them, it is another record
                let fields_at = if whole[3] == 0 { u32::from_be_bytes(whole[56..60].try_into().unwrap()) as usize } else { usize::MAX };
                let entries = [fields_at, whole.len() - 16 - 7];
                if !entries.contains(&length) {
                    assert_eq!(record(&whole[..length].to_vec().into()).unwrap_err().kind(), ErrorKind::Corrupt, "{length}");
                }
            }
            let mut newer = whole.clone();
            newer[2] = 2;
            assert_eq!(record(&newer.into()).unwrap_err().kind(), ErrorKind::UnknownFormat);
        }
    }
}
