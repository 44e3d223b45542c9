//! The signed credential that a client carries in its cookie or header.
//!
//! A credential holds a stable *lineage* (which session), a *secret* of the current generation (which id of that
//! session), the time of issue and the signed idle and absolute deadlines. Its text form is checked in constant time
//! before any backend is asked, so forged and malformed values cost nothing behind this point.
//!
//! The backend never sees lineage or secret: it gets [`RecordKey`] and [`SecretHash`], from which neither can be
//! computed. A dump of the backend is therefore worthless as a cookie.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{Credential, Key, KeyRing, Timestamp, Verdict};
//!
//! let now = Timestamp::from_millis(1_700_000_000_000);
//! let old = Key::from_bytes([1; 32])?;
//! let new = Key::from_bytes([2; 32])?;
//! let before = KeyRing::new(old.clone()).for_purpose("cookie:__Host-id");
//! let after = KeyRing::new(new).previous(old).for_purpose("cookie:__Host-id");
//!
//! let credential = Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600))?;
//! let text = before.seal(&credential);
//! let Verdict::Authentic(opened) = after.open(text.as_bytes()) else { panic!("authentic") };
//! assert_eq!(opened.credential.lineage(), credential.lineage());
//! assert!(opened.reissue, "signed with a previous key: the client gets it again under the newest");
//!
//! let elsewhere = after.keys().for_purpose("cookie:other");
//! assert!(matches!(elsewhere.open(text.as_bytes()), Verdict::Forged), "bound to its cookie");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base64;
mod format;
mod key;

pub use format::{CREDENTIAL_FORMAT, SEALED_LEN};
pub use key::{Key, KeyRing, KeyRole, Sealer};

use std::fmt;

use crate::{Error, ErrorKind, Timestamp};

/// Which session: stays the same through renewals, logins and privilege changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Lineage([u8; 16]);

/// Which generation of the session's id: changes at `renew_id` and `promote`.
#[derive(Clone, Copy)]
pub struct Secret([u8; 16]);

/// Where a backend keeps the session: a one-way hash of the lineage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey([u8; 32]);

/// What a backend keeps of a secret: a one-way hash.
#[derive(Clone, Copy, Eq)]
pub struct SecretHash([u8; 16]);

/// A non-reversible name of a session for logs and events.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionTag([u8; 8]);

impl Lineage {
    /// From the bytes of a carrier whose signature has been checked.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a carrier that is sealed otherwise. Secret: they belong to the client alone.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The key of the session's record.
    #[must_use]
    #[inline]
    pub fn record_key(&self) -> RecordKey {
        RecordKey(*blake3::hash(&self.0).as_bytes())
    }
}

impl Secret {
    /// From the bytes of a carrier whose signature has been checked.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a carrier that is sealed otherwise. Secret: they belong to the client alone.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// What the backend keeps of this secret.
    #[must_use]
    #[inline]
    pub fn hash(&self) -> SecretHash {
        let full = blake3::hash(&self.0);
        let mut half = [0; 16];
        half.copy_from_slice(&full.as_bytes()[..16]);
        SecretHash(half)
    }
}

impl RecordKey {
    /// From stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store under.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The session's name in logs and events.
    #[must_use]
    pub fn tag(&self) -> SessionTag {
        let full = blake3::hash(&self.0);
        let mut tag = [0; 8];
        tag.copy_from_slice(&full.as_bytes()[..8]);
        SessionTag(tag)
    }
}

impl SecretHash {
    /// From stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        format::is_same(&self.0, &other.0)
    }
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
redacted!(Lineage, Secret, SecretHash);

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordKey(tag {})", self.tag())
    }
}

impl fmt::Display for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionTag({self})")
    }
}

/// The authentic content of a carrier. See the [module docs](self).
#[derive(Debug, Clone, Copy)]
pub struct Credential {
    lineage: Lineage,
    secret: Secret,
    issued: Timestamp,
    idle_deadline: Timestamp,
    absolute_deadline: Timestamp,
}

impl Credential {
    /// A new session's first credential, with 256 random bits.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the operating system gives no randomness.
    pub fn issue(issued: Timestamp, idle_deadline: Timestamp, absolute_deadline: Timestamp) -> Result<Self, Error> {
        let mut random = [0; 32];
        fill_random(&mut random)?;
        let (lineage, secret) = random.split_at(16);
        let (mut l, mut s) = ([0; 16], [0; 16]);
        l.copy_from_slice(lineage);
        s.copy_from_slice(secret);
        Ok(Self { lineage: Lineage(l), secret: Secret(s), issued, idle_deadline, absolute_deadline })
    }

    /// A credential as it was carried, by a backend that seals its carriers otherwise and has checked the seal. The idle
    /// deadline never passes the absolute one.
    #[must_use]
    pub fn from_parts(lineage: Lineage, secret: Secret, issued: Timestamp, idle_deadline: Timestamp, absolute_deadline: Timestamp) -> Self {
        Self { lineage, secret, issued, idle_deadline: idle_deadline.min(absolute_deadline), absolute_deadline }
    }

    /// The same session under a new secret.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the operating system gives no randomness.
    pub fn rotate(&self, issued: Timestamp, idle_deadline: Timestamp) -> Result<Self, Error> {
        let mut secret = [0; 16];
        fill_random(&mut secret)?;
        Ok(Self { secret: Secret(secret), issued, idle_deadline: idle_deadline.min(self.absolute_deadline), ..*self })
    }

    /// The same id with a later idle deadline, which never passes the absolute one.
    #[must_use]
    pub fn renew(&self, issued: Timestamp, idle_deadline: Timestamp) -> Self {
        Self { issued, idle_deadline: idle_deadline.min(self.absolute_deadline), ..*self }
    }

    /// Which session.
    #[must_use]
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// Which generation of its id.
    #[must_use]
    pub fn secret(&self) -> Secret {
        self.secret
    }

    /// When this credential was signed.
    #[must_use]
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// Until when the session lives without activity.
    #[must_use]
    pub fn idle_deadline(&self) -> Timestamp {
        self.idle_deadline
    }

    /// Until when the session lives whatever happens.
    #[must_use]
    pub fn absolute_deadline(&self) -> Timestamp {
        self.absolute_deadline
    }

    /// Whether a signed deadline has passed at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.idle_deadline || now >= self.absolute_deadline
    }
}

/// An authentic credential and how it was signed.
#[derive(Debug, Clone, Copy)]
pub struct OpenedCredential {
    /// The content.
    pub credential: Credential,
    /// Signed with a previous key: to be issued again under the newest.
    pub reissue: bool,
}

/// What a carrier turned out to be, before any backend is asked.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Verdict {
    /// Signed by us for this purpose. Deadlines are not judged here.
    Authentic(OpenedCredential),
    /// The right shape and a known key, but not our signature.
    Forged,
    /// The right shape, signed by a key that is not in the ring: rotated out, or another application's.
    UnknownKey,
    /// Not a credential of any known format.
    Malformed,
}

pub(crate) fn fill_random(buffer: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(buffer).map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no randomness"))
}
