//! Signing keys and their rotation.

use std::fmt;

use super::{Credential, Verdict, fill_random, format};
use crate::ConfigError;

/// A signing key of 32 random bytes.
///
/// Its id is derived from its bytes, so two nodes cannot disagree on which key an id names.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; 32],
    id: [u8; 4],
}

impl Key {
    /// A fresh random key: for tests, and to make one that is then kept in the deployment's secrets.
    ///
    /// # Errors
    /// [`ConfigError`] when the operating system gives no randomness.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut bytes = [0; 32];
        fill_random(&mut bytes).map_err(|error| ConfigError::new(error.to_string()))?;
        Self::from_bytes(bytes)
    }

    /// From 32 bytes of a secret store.
    ///
    /// # Errors
    /// When all bytes are zero: a placeholder, not a key.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, ConfigError> {
        if bytes == [0; 32] {
            return Err(ConfigError::new(
                "the signing key is all zero bytes; generate 32 random bytes, for example with `openssl rand -hex 32`",
            ));
        }
        let derived = blake3::derive_key("unstick 2026-11 key id", &bytes);
        let mut id = [0; 4];
        id.copy_from_slice(&derived[..4]);
        Ok(Self { bytes, id })
    }

    /// From 64 hexadecimal digits, as `openssl rand -hex 32` prints them. White space around them is ignored.
    ///
    /// # Errors
    /// When it is not exactly 64 hexadecimal digits (a password is not a key), or all zero.
    pub fn from_hex(text: &str) -> Result<Self, ConfigError> {
        let text = text.trim().as_bytes();
        let wrong = || ConfigError::new("a signing key is 64 hexadecimal digits; generate one with `openssl rand -hex 32`");
        if text.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let digits = (char::from(pair[0]).to_digit(16), char::from(pair[1]).to_digit(16));
            let (Some(high), Some(low)) = digits else { return Err(wrong()) };
            *byte = u8::try_from(high << 4 | low).map_err(|_| wrong())?;
        }
        Self::from_bytes(bytes)
    }

    /// The id that is carried next to what the key has signed.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// 32 bytes that only holders of this key can compute: a key of its own for another purpose or algorithm, so that one
    /// secret serves them all. The same on every node and in every release.
    ///
    /// ```
    /// use unstick_core::Key;
    /// let key = Key::from_bytes([1; 32])?;
    /// assert_eq!(key.derive("a"), key.derive("a"));
    /// assert_ne!(key.derive("a"), key.derive("b"));
    /// # Ok::<(), unstick_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut deriver = blake3::Hasher::new_derive_key("unstick 2026-11 derived key");
        deriver.update(&self.bytes).update(purpose.as_bytes());
        *deriver.finalize().as_bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What a key of a [`KeyRing`] is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyRole {
    /// Signs, and verifies.
    Signing,
    /// Signed before: verifies, and what it signed is issued again.
    Previous,
    /// Will sign next: verifies.
    Next,
}

/// The keys of a deployment: one signs, the others only verify.
///
/// To rotate without logging anyone out: first roll out the new key with [`next`](Self::next) everywhere, then make it
/// the signing key with the old one as [`previous`](Self::previous), and drop the old one after the absolute timeout.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<(Key, KeyRole)>,
}

impl KeyRing {
    /// A ring with one key that signs.
    #[must_use]
    pub fn new(signing: Key) -> Self {
        Self { keys: vec![(signing, KeyRole::Signing)] }
    }

    /// A key that signed before: still verifies, and what it signed is issued again under the signing key.
    #[must_use]
    pub fn previous(mut self, key: Key) -> Self {
        self.keys.push((key, KeyRole::Previous));
        self
    }

    /// The key that will sign next: verifies already, so that nodes of both releases accept each other.
    #[must_use]
    pub fn next(mut self, key: Key) -> Self {
        self.keys.push((key, KeyRole::Next));
        self
    }

    /// The keys, the signing one first.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, KeyRole)> {
        self.keys.iter().map(|(key, role)| (key, *role))
    }

    /// Binds the ring to one use, such as `cookie:__Host-id`: what is signed for one purpose is forged for another.
    #[must_use]
    pub fn for_purpose(&self, purpose: &str) -> Sealer {
        let keys = self.keys.iter().map(|(key, role)| {
            let mut deriver = blake3::Hasher::new_derive_key("unstick 2026-11 session credential");
            deriver.update(&key.bytes).update(purpose.as_bytes());
            BoundKey { mac: *deriver.finalize().as_bytes(), id: key.id, role: *role }
        });
        Sealer { keys: keys.collect(), ring: self.clone() }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys.len())
    }
}

#[derive(Clone)]
struct BoundKey {
    mac: [u8; 32],
    id: [u8; 4],
    role: KeyRole,
}

/// A [`KeyRing`] bound to one purpose: seals and opens credentials.
#[derive(Clone)]
pub struct Sealer {
    keys: Box<[BoundKey]>,
    ring: KeyRing,
}

impl Sealer {
    /// The ring this was made from, to bind it to another purpose.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.ring
    }

    /// The text that the client carries: [`SEALED_LEN`](super::SEALED_LEN) characters of the URL-safe base64 alphabet.
    #[must_use]
    pub fn seal(&self, credential: &Credential) -> String {
        let key = &self.keys[0];
        format::seal(credential, key.id, &key.mac)
    }

    /// Judges what a client sent. Signatures are compared in constant time; nothing is allocated.
    #[must_use]
    pub fn open(&self, text: &[u8]) -> Verdict {
        let Some(raw) = format::decode(text) else { return Verdict::Malformed };
        let mut verdict = Verdict::UnknownKey;
        for key in self.keys.iter().filter(|key| key.id == raw.key_id()) {
            match raw.verify(&key.mac) {
                Some(credential) => {
                    let reissue = key.role == KeyRole::Previous;
                    return Verdict::Authentic(super::OpenedCredential { credential, reissue });
                }
                None => verdict = Verdict::Forged,
            }
        }
        verdict
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}
