//! The compact serialisations of RFC 7515 (JWS) and RFC 7516 (JWE), with a header that is known beforehand.

mod header;
mod jwe;
mod jws;

pub(crate) use header::{Algorithm, Header, Salt, is_key_id, salt};
pub(crate) use jwe::{decrypt, derive_key, encrypt};
pub(crate) use jws::{is_mac, is_signature};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// URL-safe base64 without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// As [`encode`], behind what is there.
pub(crate) fn append(bytes: impl AsRef<[u8]>, text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Strict: no padding, and the last character carries no bits that no byte takes, so that there is one text per value.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// As [`decode`], for values of a known length.
pub(crate) fn decode_exactly<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // Some room: the decoder estimates.
    let mut room = [0; 80];
    let length = URL_SAFE_NO_PAD.decode_slice(text, room.get_mut(..N + 3)?).ok()?;
    bytes.copy_from_slice(room.get(..length).filter(|decoded| decoded.len() == N)?);
    Some(bytes)
}

/// Characters that `bytes` bytes take.
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod vectors;
