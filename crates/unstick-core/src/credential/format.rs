//! Bytes of a sealed credential, format 1. Golden bytes of every released format are kept in `tests/golden.rs`.
//!
//! ```text
//! offset  0  1       5        21      37      43             49                  55     71
//!         | 1 | key id | lineage | secret | issued | idle deadline | absolute deadline | mac |
//! ```
//! Times are unsigned 48-bit big-endian milliseconds. The MAC is BLAKE3 in keyed mode, cut to 128 bits, over bytes
//! 0..55, which fill one compression block; HMAC-SHA256 takes four.

use subtle::ConstantTimeEq;

use super::{Credential, Lineage, Secret, base64};
use crate::Timestamp;

/// The format that this release writes.
pub const CREDENTIAL_FORMAT: u8 = 1;

const SIGNED: usize = 55;
pub(super) const RAW: usize = SIGNED + 16;

/// Characters of a sealed credential.
pub const SEALED_LEN: usize = 95;

pub(super) struct Raw([u8; RAW]);

fn put_time(to: &mut [u8], time: Timestamp) {
    let millis = u64::try_from(time.as_millis()).unwrap_or(0).min((1 << 48) - 1);
    to.copy_from_slice(&millis.to_be_bytes()[2..]);
}

fn take_time(from: &[u8]) -> Timestamp {
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(from);
    Timestamp::from_millis(i64::from_be_bytes(bytes))
}

fn take_16(from: &[u8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(from);
    bytes
}

fn mac(key: &[u8; 32], signed: &[u8]) -> [u8; 16] {
    take_16(&blake3::keyed_hash(key, signed).as_bytes()[..16])
}

/// Compares in constant time; as one number each, which is cheaper than byte by byte.
pub(super) fn is_same(a: &[u8; 16], b: &[u8; 16]) -> bool {
    u128::from_ne_bytes(*a).ct_eq(&u128::from_ne_bytes(*b)).into()
}

pub(super) fn seal(credential: &Credential, key_id: [u8; 4], key: &[u8; 32]) -> String {
    let mut raw = [0; RAW];
    raw[0] = CREDENTIAL_FORMAT;
    raw[1..5].copy_from_slice(&key_id);
    raw[5..21].copy_from_slice(&credential.lineage.0);
    raw[21..37].copy_from_slice(&credential.secret.0);
    put_time(&mut raw[37..43], credential.issued);
    put_time(&mut raw[43..49], credential.idle_deadline);
    put_time(&mut raw[49..55], credential.absolute_deadline);
    let tag = mac(key, &raw[..SIGNED]);
    raw[SIGNED..].copy_from_slice(&tag);
    base64::encode(&raw)
}

pub(super) fn decode(text: &[u8]) -> Option<Raw> {
    base64::decode(text.try_into().ok()?).filter(|raw| raw[0] == CREDENTIAL_FORMAT).map(Raw)
}

impl Raw {
    pub(super) fn key_id(&self) -> [u8; 4] {
        [self.0[1], self.0[2], self.0[3], self.0[4]]
    }

    pub(super) fn verify(&self, key: &[u8; 32]) -> Option<Credential> {
        let raw = &self.0;
        is_same(&mac(key, &raw[..SIGNED]), &take_16(&raw[SIGNED..])).then(|| Credential {
            lineage: Lineage(take_16(&raw[5..21])),
            secret: Secret(take_16(&raw[21..37])),
            issued: take_time(&raw[37..43]),
            idle_deadline: take_time(&raw[43..49]),
            absolute_deadline: take_time(&raw[49..55]),
        })
    }
}
