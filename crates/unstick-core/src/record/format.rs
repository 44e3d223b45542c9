//! Records as bytes, format 1, for backends that keep a session as one value. Golden bytes are kept in `tests/golden.rs`.
//!
//! ```text
//! "uS" 1 | life u8 [ended i64, until i64] | secret 16 | previous u8 [secret 16, grace i64, reissued since i64]
//!        | rotated i64 | reissued i64 | created i64 | idle i64 | absolute i64 | principal u8 [len u32, bytes]
//!        | fields u32 { name len u32, name, version u64, value len u32, value }* | applied u32 { op u128, deadline i64 }*
//! ```
//! All numbers are big-endian. Values are not copied when decoding: they share the input.

use std::{str, sync::Arc};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Field, FieldVersion, Fields, Life, PreviousSecret, Record};
use crate::{Error, ErrorKind, OpId, SecretHash, Timestamp};

/// The format that this release writes.
pub const RECORD_FORMAT: u8 = 1;

const MAGIC: &[u8; 2] = b"uS";

fn put_bytes(to: &mut BytesMut, bytes: &[u8]) {
    to.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    to.put_slice(bytes);
}

/// The record's bytes in the newest format.
#[must_use]
pub fn encode_record(record: &Record) -> Bytes {
    let mut to = BytesMut::with_capacity(160 + record.fields.size() + record.fields.len() * 16);
    to.put_slice(MAGIC);
    to.put_u8(RECORD_FORMAT);
    match record.life {
        Life::Live => to.put_u8(0),
        Life::Ended { at, until } => {
            to.put_u8(1);
            to.put_i64(at.as_millis());
            to.put_i64(until.as_millis());
        }
    }
    to.put_slice(record.secret.as_bytes());
    match &record.previous {
        None => to.put_u8(0),
        Some(previous) => {
            to.put_u8(1);
            to.put_slice(previous.secret.as_bytes());
            to.put_i64(previous.grace_until.as_millis());
            to.put_i64(previous.reissued_since.as_millis());
        }
    }
    for time in [record.rotated, record.reissued, record.created, record.idle_deadline, record.absolute_deadline] {
        to.put_i64(time.as_millis());
    }
    match &record.principal {
        None => to.put_u8(0),
        Some(principal) => {
            to.put_u8(1);
            put_bytes(&mut to, principal.as_bytes());
        }
    }
    to.put_u32(u32::try_from(record.fields.len()).unwrap_or(u32::MAX));
    for (name, field) in record.fields.iter() {
        put_bytes(&mut to, name.as_bytes());
        to.put_u64(field.version.as_u64());
        put_bytes(&mut to, &field.value);
    }
    to.put_u32(u32::try_from(record.applied.len()).unwrap_or(u32::MAX));
    for (op, deadline) in &record.applied {
        to.put_u128(op.as_u128());
        to.put_i64(deadline.as_millis());
    }
    to.freeze()
}

struct Reader(Bytes);

impl Reader {
    /// Whether so many bytes are left. Numbers are then read in place: taking a part of the input would count its owners.
    fn need(&self, length: usize) -> Result<(), Error> {
        if self.0.len() < length { Err(corrupt()) } else { Ok(()) }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Error> {
        self.need(length)?;
        Ok(self.0.split_to(length))
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.need(1)?;
        Ok(self.0.get_u8())
    }

    fn u32(&mut self) -> Result<usize, Error> {
        self.need(4)?;
        usize::try_from(self.0.get_u32()).map_err(|_| corrupt())
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.need(8)?;
        Ok(self.0.get_u64())
    }

    fn u128(&mut self) -> Result<u128, Error> {
        self.need(16)?;
        Ok(self.0.get_u128())
    }

    fn time(&mut self) -> Result<Timestamp, Error> {
        self.need(8)?;
        Ok(Timestamp::from_millis(self.0.get_i64()))
    }

    fn secret(&mut self) -> Result<SecretHash, Error> {
        self.need(16)?;
        let mut secret = [0; 16];
        self.0.copy_to_slice(&mut secret);
        Ok(SecretHash::from_bytes(secret))
    }

    fn block(&mut self) -> Result<Bytes, Error> {
        let length = self.u32()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<Arc<str>, Error> {
        let length = self.u32()?;
        self.need(length)?;
        let text = str::from_utf8(&self.0[..length]).map(Arc::from).map_err(|_| corrupt());
        self.0.advance(length);
        text
    }

    fn flag(&mut self) -> Result<bool, Error> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(corrupt()),
        }
    }
}

fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "a stored session record cannot be read")
}

/// Reads a record of any released format.
///
/// # Errors
/// [`ErrorKind::UnknownFormat`] when a newer release wrote it (leave it alone), [`ErrorKind::Corrupt`] when it is not a record.
pub fn decode_record(bytes: Bytes) -> Result<Record, Error> {
    let mut from = Reader(bytes);
    if !from.0.starts_with(MAGIC) {
        return Err(corrupt());
    }
    from.0.advance(MAGIC.len());
    match from.u8()? {
        RECORD_FORMAT => {}
        0 => return Err(corrupt()),
        _ => return Err(Error::new(ErrorKind::UnknownFormat, "a stored session record was written by a newer release")),
    }
    let life = if from.flag()? { Life::Ended { at: from.time()?, until: from.time()? } } else { Life::Live };
    let secret = from.secret()?;
    let previous = if from.flag()? {
        Some(PreviousSecret { secret: from.secret()?, grace_until: from.time()?, reissued_since: from.time()? })
    } else {
        None
    };
    let (rotated, reissued, created) = (from.time()?, from.time()?, from.time()?);
    let (idle_deadline, absolute_deadline) = (from.time()?, from.time()?);
    let principal = if from.flag()? { Some(from.text()?) } else { None };
    let mut fields = Vec::new();
    for _ in 0..from.u32()? {
        let name = from.text()?;
        let version = FieldVersion::from_u64(from.u64()?);
        fields.push((name, Field { version, value: from.block()? }));
    }
    let mut applied = Vec::new();
    for _ in 0..from.u32()? {
        applied.push((OpId::from_u128(from.u128()?), from.time()?));
    }
    if !from.0.is_empty() {
        return Err(corrupt());
    }
    let fields = Fields::from_iter(fields);
    Ok(Record { life, secret, previous, rotated, reissued, principal, created, idle_deadline, absolute_deadline, fields, applied })
}
