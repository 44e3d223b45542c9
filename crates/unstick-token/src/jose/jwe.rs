//! Encryption with a key that both sides have (`dir`).

use aes_gcm::aead::{
    AeadCore, AeadInOut, Nonce, Tag,
    consts::{U12, U16},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{Salt, append, decode, decode_exactly, encoded_len};

/// The key of one token: HKDF-Expand (RFC 5869 section 2.3) of the deployment's key, with the token's salt.
pub(crate) fn derive_key(key: &Hmac<Sha256>, salt: &Salt) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(b"unstick 2026-11 A256GCM ");
    mac.update(salt);
    mac.update(&[1]);
    mac.finalize().into_bytes().into()
}

/// `header..iv.ciphertext.tag`; `None` for a message longer than the cipher takes, which no session is.
pub(crate) fn encrypt<C>(cipher: &C, header: &str, iv: [u8; 12], mut message: Vec<u8>) -> Option<String>
where
    C: AeadInOut + AeadCore<NonceSize = U12, TagSize = U16>,
{
    let nonce = Nonce::<C>::from(iv);
    let tag = cipher.encrypt_inout_detached(&nonce, header.as_bytes(), message.as_mut_slice().into()).ok()?;
    let mut text = String::with_capacity(header.len() + encoded_len(message.len()) + 64);
    text.push_str(header);
    text.push_str("..");
    append(iv, &mut text);
    text.push('.');
    append(&message, &mut text);
    text.push('.');
    append(tag, &mut text);
    Some(text)
}

/// The message, if all of it is as it was encrypted. Compares in constant time.
pub(crate) fn decrypt<C>(cipher: &C, header: &[u8], [iv, message, tag]: [&[u8]; 3]) -> Option<Vec<u8>>
where
    C: AeadInOut + AeadCore<NonceSize = U12, TagSize = U16>,
{
    let (nonce, tag) = (Nonce::<C>::from(decode_exactly::<12>(iv)?), Tag::<C>::from(decode_exactly::<16>(tag)?));
    let mut message = decode(message)?;
    cipher.decrypt_inout_detached(&nonce, header, message.as_mut_slice().into(), &tag).ok()?;
    Some(message)
}
