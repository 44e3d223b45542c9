//! Signatures over `header.payload`.

use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::decode_exactly;

/// Whether `signature` is the MAC of `input`. Compares in constant time.
pub(crate) fn is_mac(key: &Hmac<Sha256>, input: &[u8], signature: &[u8]) -> bool {
    let Some(signature) = decode_exactly::<32>(signature) else { return false };
    let mut mac = key.clone();
    mac.update(input);
    mac.verify_slice(&signature).is_ok()
}

/// Whether `signature` is the key's. Strict: one signature per message and no weak keys.
pub(crate) fn is_signature(key: &VerifyingKey, input: &[u8], signature: &[u8]) -> bool {
    let Some(signature) = decode_exactly::<64>(signature) else { return false };
    key.verify_strict(input, &Signature::from_bytes(&signature)).is_ok()
}
