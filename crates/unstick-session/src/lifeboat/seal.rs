//! The cookie's text: sealed for one credential, and opened with nothing else.
//!
//! ```text
//! base64url( format 1 | flags 1 | key id 4 | random 24 | ciphertext | tag 16 )
//! ```
//! The first half of the random bytes derives the lifeboat's own key, the second is the nonce. Associated data: everything before
//! the ciphertext, the session's record key, and the hash of the credential's secret.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{AeadInOut, Nonce, Tag},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use unstick_core::{Credential, Error, ErrorKind, KeyRing, OpId, Timestamp};

use super::manifest::Manifest;

const FORMAT: u8 = 1;
const HEAD: usize = 30;
const TAG: usize = 16;

/// Says that there are local changes, so that others need not be opened to see that there are none. Sealed with the rest.
const UNDERWAY: u8 = 1;

/// Keys bound to one cookie.
#[derive(Clone)]
pub(crate) struct Keys(Box<[([u8; 4], [u8; 32])]>);

/// A lifeboat that was opened.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) manifest: Manifest,
    /// The operation that merges it: its own, on whatever node.
    pub(crate) merge: OpId,
}

impl Keys {
    pub(crate) fn new(ring: &KeyRing, cookie: &str) -> Self {
        let purpose = format!("unstick lifeboat A256GCM:{cookie}");
        Self(ring.iter().map(|(key, _)| (key.id(), key.derive(&purpose))).collect())
    }

    /// # Errors
    /// When the operating system gives no randomness.
    pub(crate) fn seal(&self, manifest: &Manifest, credential: &Credential) -> Result<String, Error> {
        let mut head = [0; HEAD];
        let broken = || Error::new(ErrorKind::Internal, "the lifeboat could not be sealed");
        let (id, master) = self.0.first().ok_or_else(broken)?;
        head[0] = FORMAT;
        head[1] = if manifest.voyage.is_some() { UNDERWAY } else { 0 };
        head[2..6].copy_from_slice(id);
        getrandom::fill(&mut head[6..]).map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no randomness"))?;
        let mut message = manifest.encode();
        let (cipher, nonce) = cipher(master, &head);
        let associated = associated(&head, credential);
        let tag = cipher.encrypt_inout_detached(&nonce, &associated, message.as_mut_slice().into()).map_err(|_| broken())?;
        let mut raw = Vec::with_capacity(HEAD + message.len() + TAG);
        raw.extend(head);
        raw.extend(message);
        raw.extend(tag);
        Ok(URL_SAFE_NO_PAD.encode(raw))
    }

    /// `None` for everything but a lifeboat that was sealed for this credential and is good at `now`.
    pub(crate) fn open(&self, text: &[u8], credential: &Credential, now: Timestamp) -> Option<Opened> {
        let raw = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (head, rest) = raw.split_first_chunk::<HEAD>()?;
        let (message, tag) = rest.split_last_chunk::<TAG>()?;
        if head[0] != FORMAT {
            return None;
        }
        let associated = associated(head, credential);
        let open = |master: &[u8; 32]| {
            let mut message = message.to_vec();
            let (cipher, nonce) = cipher(master, head);
            let tag = Tag::<Aes256Gcm>::from(*tag);
            cipher.decrypt_inout_detached(&nonce, &associated, message.as_mut_slice().into(), &tag).ok()?;
            Some(message)
        };
        let message = self.0.iter().filter(|(id, _)| *id == head[2..6]).find_map(|(_, master)| open(master))?;
        let manifest = Manifest::decode(&message).filter(|manifest| now < manifest.expires)?;
        let merge = u128::from_be_bytes(head[6..22].try_into().ok()?);
        Some(Opened { manifest, merge: OpId::from_u128(merge) })
    }
}

/// Whether a text says of itself that it holds local changes; one that lies does not open.
pub(crate) fn is_underway(text: &[u8]) -> bool {
    start(text).is_some_and(|[format, flags, ..]| format == FORMAT && flags == UNDERWAY)
}

/// Whether a text is of a format that only a newer release knows: it may hold local changes, and is not written over.
pub(crate) fn is_newer(text: &[u8]) -> bool {
    start(text).is_some_and(|[format, ..]| format > FORMAT)
}

fn start(text: &[u8]) -> Option<[u8; 3]> {
    let mut start = [0; 3];
    URL_SAFE_NO_PAD.decode_slice(text.get(..4)?, &mut start).ok().map(|_| start)
}

fn cipher(master: &[u8; 32], head: &[u8; HEAD]) -> (Aes256Gcm, Nonce<Aes256Gcm>) {
    let key = *blake3::keyed_hash(master, &head[6..18]).as_bytes();
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&head[18..]);
    (Aes256Gcm::new(&key.into()), nonce.into())
}

fn associated(head: &[u8; HEAD], credential: &Credential) -> Vec<u8> {
    [&head[..], credential.lineage().record_key().as_bytes(), credential.secret().hash().as_bytes()].concat()
}
