//! The claims of a token, format 1.
//!
//! ```text
//! iss, aud   as configured: who issues, and purpose:carriage:name, such as session:cookie:__Host-id
//! sub        the principal, when logged in
//! iat nbf exp  seconds: issued, issued less the tolerated skew, idle deadline (rounded up)
//! v          1; a token of a higher version is left alone
//! sid, gen   lineage and secret, 16 bytes each in base64url
//! ms         [issued, idle deadline, absolute deadline, created] in milliseconds
//! epoch      the principal's epoch at login, in milliseconds; absent when zero
//! data       values that are JSON text, as they are; absent when empty
//! raw        all other values, in base64url; absent when empty
//! ```
//! Every member once, of exactly this type; nothing else. Of all versions to come, `iss`, `aud`, `iat`, `exp`, `v` and `sid` keep this meaning.

mod members;
mod read;
mod write;

pub(crate) use read::{Read, read, record};
pub(crate) use write::write;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use unstick_core::{Credential, Error, ErrorKind, Record, Timestamp, decode_record, encode_record};

/// The version that this release writes.
pub(crate) const VERSION: u64 = 1;

/// Values nested deeper travel as bytes, so that no reader of a token meets them.
const MAX_DEPTH: usize = 64;

/// The last millisecond that a token can name: those of 48 bits, as in every credential.
const LAST: i64 = (1 << 48) - 1;

/// Whether a token can name the time.
pub(crate) fn is_nameable(time: Timestamp) -> bool {
    (0..=LAST).contains(&time.as_millis())
}

/// The start of the second, as seconds are what a token is good from; not before the first.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().max(0) / 1000 * 1000)
}

/// Who issues for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
}

/// A session as its token tells it.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    pub(crate) credential: Credential,
    /// Not good before.
    pub(crate) not_before: Timestamp,
    pub(crate) epoch: Timestamp,
    /// Fields, principal and deadlines.
    pub(crate) record: Record,
}

/// What a [`Ticket`](unstick_core::Ticket) carries of its token. Empty for a token of a newer version.
///
/// Not the token's own text: versions of fields written by this request are kept, so that it can go on from them.
pub(crate) fn payload(claims: &Claims) -> Bytes {
    let record = encode_record(&claims.record);
    let mut bytes = BytesMut::with_capacity(16 + record.len());
    bytes.put_i64(claims.not_before.as_millis());
    bytes.put_i64(claims.epoch.as_millis());
    bytes.put(record);
    bytes.freeze()
}

/// Reads [`payload`] again.
pub(crate) fn from_payload(credential: Credential, mut payload: Bytes) -> Result<Claims, ErrorKind> {
    if payload.is_empty() {
        return Err(ErrorKind::UnknownFormat);
    }
    if payload.len() < 16 {
        return Err(ErrorKind::Corrupt);
    }
    let (not_before, epoch) = (Timestamp::from_millis(payload.get_i64()), Timestamp::from_millis(payload.get_i64()));
    let record = decode_record(payload).map_err(|error: Error| error.kind())?;
    Ok(Claims { credential, not_before, epoch, record })
}

/// Whether JSON text is nested deeper than [`MAX_DEPTH`].
fn is_deep(json: &[u8]) -> bool {
    // Most have fewer brackets than that, and counting them is much faster.
    json.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > MAX_DEPTH && depth(json) > MAX_DEPTH
}

/// Deepest nesting of arrays and objects in JSON text.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
