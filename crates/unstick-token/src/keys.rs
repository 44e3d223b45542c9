//! Keys that seal and open tokens, and their rotation.
//!
//! ```
//! use unstick_core::{Key, KeyRing};
//! use unstick_token::{Sealing, TokenKey, TokenKeys};
//!
//! assert!(TokenKey::hs256(b"a password").is_err(), "an HMAC key has at least 32 bytes");
//! let old = TokenKey::hs256(&[7; 32])?.with_id("2026-10")?;
//! let new = TokenKey::ed25519([8; 32])?;
//! let keys = TokenKeys::new(new)?.previous(old.clone())?;
//! assert!(keys.previous(old).is_err(), "two keys of one id");
//!
//! // Or all from the one signing key of the application:
//! let ring = KeyRing::new(Key::from_bytes([9; 32])?);
//! let keys = TokenKeys::from_ring(&ring, Sealing::Encrypted)?;
//! # Ok::<(), unstick_core::ConfigError>(())
//! ```

use std::fmt;

use aes_gcm::{Aes256Gcm, KeyInit};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use unstick_core::{ConfigError, Error, ErrorKind, Key, KeyRing, KeyRole};

use crate::jose::{self, Algorithm, Header};

/// How tokens are sealed with keys that are derived from a [`KeyRing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Sealing {
    /// JWE with `dir` and A256GCM: the client can neither read nor change the session. The default.
    #[default]
    Encrypted,
    /// JWS with HS256: shorter, and **not secret**: the client, and whoever sees its cookie, can read all values, names of keys
    /// and the principal. Nobody can change them.
    Signed,
}

#[derive(Clone)]
enum Material {
    /// The MAC with its key taken in.
    Hs256(Hmac<Sha256>),
    EdDsa {
        signing: Option<Box<SigningKey>>,
        verifying: Box<VerifyingKey>,
    },
    /// The MAC that derives every token's own key.
    A256Gcm(Hmac<Sha256>),
}

/// One key. Its id is derived from its bytes unless it is [given](Self::with_id), so two nodes cannot disagree on which key an id names.
#[derive(Clone)]
pub struct TokenKey {
    material: Material,
    kid: String,
    header: Header,
}

impl TokenKey {
    fn new(material: Material, identity: &[u8]) -> Self {
        let algorithm = material.algorithm();
        let mut hash = blake3::Hasher::new_derive_key("unstick 2026-11 token key id");
        hash.update(&[algorithm as u8]).update(identity);
        let kid = jose::encode(&hash.finalize().as_bytes()[..6]);
        let header = Header::new(algorithm, &kid);
        Self { material, kid, header }
    }

    /// Signs with HMAC-SHA256 (JWS `HS256`). Whoever has the key can sign; clients can read their sessions.
    ///
    /// # Errors
    /// When there are less than 32 bytes (RFC 7518 section 3.2), or all are 0 or the digit `0`: a placeholder, not a key.
    pub fn hs256(secret: &[u8]) -> Result<Self, ConfigError> {
        if secret.len() < 32 {
            return Err(ConfigError::new(format!(
                "an HS256 key has at least 32 bytes, not {}; generate one with `openssl rand 32`",
                secret.len()
            )));
        }
        refuse_placeholder(secret)?;
        Ok(Self::new(Material::Hs256(mac(secret)?), secret))
    }

    /// Signs with Ed25519 (JWS `EdDSA`). Give other services the [public key](Self::ed25519_public): they can verify sessions and not make any.
    /// Clients can read their sessions.
    ///
    /// # Errors
    /// When all bytes of the seed are 0 or the digit `0`.
    pub fn ed25519(seed: [u8; 32]) -> Result<Self, ConfigError> {
        refuse_placeholder(&seed)?;
        let signing = SigningKey::from_bytes(&seed);
        let verifying = signing.verifying_key();
        let material = Material::EdDsa { signing: Some(Box::new(signing)), verifying: Box::new(verifying) };
        Ok(Self::new(material, verifying.as_bytes()))
    }

    /// Verifies Ed25519 signatures and cannot sign: for [`TokenKeys::previous`] and [`TokenKeys::next`].
    ///
    /// # Errors
    /// When the bytes are no public key, or a weak one.
    pub fn ed25519_verifying(public: [u8; 32]) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::new("the 32 bytes are not an Ed25519 public key");
        let verifying = VerifyingKey::from_bytes(&public).ok().filter(|key| !key.is_weak()).ok_or_else(wrong)?;
        Ok(Self::new(Material::EdDsa { signing: None, verifying: Box::new(verifying) }, &public))
    }

    /// Encrypts with AES-256 in GCM (JWE `dir`, `A256GCM`), under a key of its own for every token. See [the crate docs](crate#encrypted-tokens).
    ///
    /// # Errors
    /// When all bytes are 0 or the digit `0`.
    pub fn a256gcm(key: [u8; 32]) -> Result<Self, ConfigError> {
        refuse_placeholder(&key)?;
        Ok(Self::new(Material::A256Gcm(mac(&key)?), &key))
    }

    /// A key that only holders of `key` can compute.
    ///
    /// # Errors
    /// None in practice: a derived key is as good as random.
    pub fn derived(key: &Key, sealing: Sealing) -> Result<Self, ConfigError> {
        match sealing {
            Sealing::Encrypted => Self::a256gcm(key.derive("unstick token A256GCM")),
            Sealing::Signed => Self::hs256(&key.derive("unstick token HS256")),
        }
    }

    /// Names the key: the `kid` in the header of its tokens. Default: eight characters derived from the key.
    ///
    /// # Errors
    /// When the id is empty, longer than 64, or holds anything but letters, digits, `-`, `_` and `.`.
    pub fn with_id(self, kid: &str) -> Result<Self, ConfigError> {
        if !jose::is_key_id(kid) {
            return Err(ConfigError::new(format!(
                "`{}` cannot be a key id; use letters, digits, `-`, `_` and `.`, at most 64",
                kid.escape_default()
            )));
        }
        let header = Header::new(self.material.algorithm(), kid);
        Ok(Self { kid: kid.to_owned(), header, ..self })
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.kid
    }

    /// The public key of an Ed25519 key.
    #[must_use]
    pub fn ed25519_public(&self) -> Option<[u8; 32]> {
        match &self.material {
            Material::EdDsa { verifying, .. } => Some(verifying.to_bytes()),
            _ => None,
        }
    }

    fn can_seal(&self) -> bool {
        !matches!(self.material, Material::EdDsa { signing: None, .. })
    }

    /// Characters of a token with so many bytes of claims.
    pub(crate) fn sealed_len(&self, claims: usize) -> usize {
        let rest = match &self.material {
            Material::Hs256(_) => 1 + 1 + jose::encoded_len(32),
            Material::EdDsa { .. } => 1 + 1 + jose::encoded_len(64),
            Material::A256Gcm(_) => 2 + 1 + 1 + jose::encoded_len(12) + jose::encoded_len(16),
        };
        self.header.len() + jose::encoded_len(claims) + rest
    }

    /// The token.
    pub(crate) fn seal(&self, claims: Vec<u8>) -> Result<String, Error> {
        let Material::A256Gcm(key) = &self.material else {
            let mut text = String::with_capacity(self.sealed_len(claims.len()));
            text.push_str(self.header.text());
            text.push('.');
            jose::append(&claims, &mut text);
            let signature = match &self.material {
                Material::Hs256(mac) => jose::encode(mac.clone().chain_update(&text).finalize().into_bytes()),
                Material::EdDsa { signing: Some(key), .. } => jose::encode(key.sign(text.as_bytes()).to_bytes()),
                _ => return Err(Error::new(ErrorKind::Internal, "a key that only verifies was asked to sign")),
            };
            text.push('.');
            text.push_str(&signature);
            return Ok(text);
        };
        let (mut salt, mut iv) = ([0; 9], [0; 12]);
        let random = getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut iv));
        random.map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no randomness"))?;
        let salt = jose::salt(&salt);
        let cipher = Aes256Gcm::new(&jose::derive_key(key, &salt).into());
        jose::encrypt(&cipher, &self.header.salted(&salt), iv, claims)
            .ok_or_else(|| Error::new(ErrorKind::TooLarge, "the session is longer than the cipher takes"))
    }

    /// The claims, if the text has this key's header (outer) and seal (inner).
    fn open(&self, text: &[u8], segments: &Segments<'_>) -> Option<Option<Vec<u8>>> {
        let salt = self.header.find_in(segments.header)?;
        Some(match (&self.material, salt, segments.rest.as_slice()) {
            (Material::Hs256(key), _, [Some(claims), Some(signature), None, None, None]) => {
                jose::is_mac(key, signed_part(text, signature), signature).then(|| jose::decode(claims)).flatten()
            }
            (Material::EdDsa { verifying, .. }, _, [Some(claims), Some(signature), None, None, None]) => {
                jose::is_signature(verifying, signed_part(text, signature), signature).then(|| jose::decode(claims)).flatten()
            }
            (Material::A256Gcm(key), Some(salt), [Some([]), Some(iv), Some(claims), Some(tag), None]) => {
                let cipher = Aes256Gcm::new(&jose::derive_key(key, &salt).into());
                jose::decrypt(&cipher, segments.header, [iv, claims, tag])
            }
            _ => return None,
        })
    }
}

fn signed_part<'a>(text: &'a [u8], signature: &[u8]) -> &'a [u8] {
    &text[..text.len().saturating_sub(signature.len() + 1)]
}

fn mac(key: &[u8]) -> Result<Hmac<Sha256>, ConfigError> {
    Hmac::new_from_slice(key).map_err(|_| ConfigError::new("the key cannot be used for HMAC"))
}

fn refuse_placeholder(key: &[u8]) -> Result<(), ConfigError> {
    if key.windows(2).all(|pair| pair[0] == pair[1]) && key.first().is_some_and(|byte| *byte == 0 || *byte == b'0') {
        return Err(ConfigError::new("the key is a placeholder; generate 32 random bytes, for example with `openssl rand -hex 32`"));
    }
    Ok(())
}

impl Material {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::Hs256,
            Self::EdDsa { .. } => Algorithm::EdDsa,
            Self::A256Gcm(_) => Algorithm::A256Gcm,
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({:?}, ..)", self.material.algorithm())
    }
}

/// The segments of a token: the header, and up to five more, of which no token has the fifth.
struct Segments<'a> {
    header: &'a [u8],
    rest: [Option<&'a [u8]>; 5],
}

impl<'a> Segments<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        let mut segments = text.split(|byte| *byte == b'.');
        let header = segments.next()?;
        let rest = std::array::from_fn(|_| segments.next());
        segments.next().is_none().then_some(Self { header, rest })
    }
}

/// What a text turned out to be.
#[derive(Debug)]
pub(crate) enum Opened {
    Claims { claims: Vec<u8>, reissue: bool },
    Forged,
    UnknownKey,
    Malformed,
}

/// The keys of a deployment: one seals, the others only open.
///
/// To rotate without logging anyone out: first roll out the new key with [`next`](Self::next) everywhere, then make it the
/// sealing key with the old one as [`previous`](Self::previous), and drop the old one after the absolute timeout. What an
/// old key has sealed is sealed again under the new one with the session's next request. To change from signed to encrypted
/// sessions, or to another algorithm, rotate in the same way: keys of different kinds stand in one ring.
#[derive(Debug, Clone)]
pub struct TokenKeys {
    keys: Vec<(TokenKey, KeyRole)>,
}

impl TokenKeys {
    /// A ring with one key that seals.
    ///
    /// # Errors
    /// When the key can only verify.
    pub fn new(sealing: TokenKey) -> Result<Self, ConfigError> {
        if !sealing.can_seal() {
            return Err(ConfigError::new("the sealing key can only verify; give it with `previous` or `next`, or use `TokenKey::ed25519`"));
        }
        Ok(Self { keys: vec![(sealing, KeyRole::Signing)] })
    }

    /// Keys derived from the application's own, each in the same role.
    ///
    /// # Errors
    /// When the ring has one key twice.
    pub fn from_ring(ring: &KeyRing, sealing: Sealing) -> Result<Self, ConfigError> {
        let mut keys = Self { keys: Vec::new() };
        for (key, role) in ring.iter() {
            keys = keys.with(TokenKey::derived(key, sealing)?, role)?;
        }
        Ok(keys)
    }

    /// A key that sealed before: still opens, and what it sealed is issued again under the sealing key.
    ///
    /// # Errors
    /// When a key of its id is there.
    pub fn previous(self, key: TokenKey) -> Result<Self, ConfigError> {
        self.with(key, KeyRole::Previous)
    }

    /// The key that will seal next: opens already, so that nodes of both releases accept each other.
    ///
    /// # Errors
    /// When a key of its id is there.
    pub fn next(self, key: TokenKey) -> Result<Self, ConfigError> {
        self.with(key, KeyRole::Next)
    }

    fn with(mut self, key: TokenKey, role: KeyRole) -> Result<Self, ConfigError> {
        if self.keys.iter().any(|(other, _)| other.kid == key.kid) {
            return Err(ConfigError::new(format!("two token keys have the id `{}`; give one of them another `with_id`", key.kid)));
        }
        self.keys.push((key, role));
        Ok(self)
    }

    pub(crate) fn sealing(&self) -> &TokenKey {
        &self.keys[0].0
    }

    pub(crate) fn open(&self, text: &[u8]) -> Opened {
        let Some(segments) = Segments::of(text) else { return Opened::Malformed };
        for (key, role) in &self.keys {
            match key.open(text, &segments) {
                Some(Some(claims)) => return Opened::Claims { claims, reissue: *role == KeyRole::Previous },
                Some(None) => return Opened::Forged,
                None => {}
            }
        }
        if segments.header.len() > MAX_HEADER || segments.rest[1].is_none() {
            return Opened::Malformed;
        }
        match Header::key_id(segments.header) {
            Some(kid) if self.keys.iter().any(|(key, _)| key.kid == kid) => Opened::Forged, // of another algorithm
            Some(_) => Opened::UnknownKey,
            None => Opened::Malformed,
        }
    }
}

/// No header of ours is longer.
const MAX_HEADER: usize = 256;
