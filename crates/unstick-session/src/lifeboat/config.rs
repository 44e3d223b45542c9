//! Which values ride along, and for how long.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use unstick_core::{Change, ConfigError, Credential, Error, ErrorKind, Fields, HeaderBudget, KeyRing, Lifetimes, Timestamp};

use super::{
    manifest::{MAX_FIELDS, Manifest},
    merge::{Decision, MAX_MEMORY, Offer},
    seal::{Keys, Opened},
};
use crate::cookie::{CookieConfig, candidates};

/// Longest text that a browser keeps, less name and attributes.
const MAX_TEXT: usize = 3800;
/// An empty lifeboat with one field.
const MIN_TEXT: usize = 256;
/// `Set-Cookie: =; HttpOnly; SameSite=Strict; Partitioned; Secure; Path=; Domain=; Max-Age=34560000` and the line's end.
const LINE: usize = 110;
/// How far a merge may take a session over its limit: nobody knows in an outage how large the session is, and what was
/// acknowledged is merged all the same. All that lifeboats can bring, and what is remembered of them.
pub(crate) const ROOM: usize = MAX_FIELDS * MAX_TEXT + MAX_MEMORY;
/// Cookies of the name that are looked at.
const MAX_CANDIDATES: usize = 4;

/// What nobody should be able to keep through an outage; compared without case and punctuation.
const RIGHTS: &[&str] = &[
    "principal",
    "user",
    "userid",
    "uid",
    "account",
    "accountid",
    "tenant",
    "tenantid",
    "role",
    "roles",
    "right",
    "rights",
    "permission",
    "permissions",
    "scope",
    "scopes",
    "group",
    "groups",
    "claims",
    "admin",
    "isadmin",
    "csrf",
    "csrftoken",
];

type MergeFn = Arc<dyn Fn(&Offer<'_>) -> Decision + Send + Sync>;

/// Chosen values that ride in a sealed cookie. See the [module docs](super) for what that promises.
#[derive(Clone)]
#[must_use]
pub struct Lifeboat {
    keys: KeyRing,
    fields: Vec<(Arc<str>, Option<MergeFn>)>,
    max_bytes: usize,
    lifetime: Duration,
}

impl Lifeboat {
    /// No values yet. `keys` seal the cookie; those of the session layer are fine: what is sealed with them is bound to its purpose.
    ///
    /// To rotate them see [`KeyRing`]. Drop an old key no earlier than [`lifetime`](Self::lifetime) after it sealed last.
    pub fn new(keys: KeyRing) -> Self {
        Self { keys, fields: Vec::new(), max_bytes: 1536, lifetime: Duration::from_secs(3600) }
    }

    /// Takes the value under this session key aboard, such as `cart`. At most 16.
    ///
    /// Not for anything that says who somebody is or what they may do, which is refused by name where that can be told; nor for
    /// what must not be shown after a logout elsewhere.
    pub fn field(mut self, key: &str) -> Self {
        self.fields.push((key.into(), None));
        self
    }

    /// As [`field`](Self::field), with a function that decides when the stored value is newer than the one that the client
    /// started from. Default: the stored value stays.
    ///
    /// It runs on the request's way, perhaps several times, and must come to the same result each time; what it decides is applied only if
    /// the stored value is still that.
    pub fn field_merged_by(mut self, key: &str, decide: impl Fn(&Offer<'_>) -> Decision + Send + Sync + 'static) -> Self {
        self.fields.push((key.into(), Some(Arc::new(decide))));
        self
    }

    /// The most characters of the cookie's value. Default 1536, 256 to 3800; sealed, values take a third more than their bytes, and about 200
    /// characters besides. Raise the layer's `header_budget` with it. What does not fit is left ashore, the largest value first, and a local
    /// change that does not fit gets the usual error.
    pub fn max_bytes(mut self, characters: usize) -> Self {
        self.max_bytes = characters;
        self
    }

    /// How long a lifeboat is good for: values from its last writing, local changes from the first of them. Default 1 hour; not less than the
    /// longest outage to be survived, and no use beyond the session's idle timeout, after which its credential expires.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    fn check_names(&self) -> Result<(), ConfigError> {
        let refuse = |sentence: String| Err(ConfigError::new(sentence));
        if self.fields.is_empty() || self.fields.len() > MAX_FIELDS {
            return refuse(format!("`lifeboat` has {} fields; name 1 to {MAX_FIELDS} with `field`", self.fields.len()));
        }
        for (at, (name, _)) in self.fields.iter().enumerate() {
            if let Err(error) = Fields::check_name(name) {
                return refuse(format!("`lifeboat`: {error}"));
            }
            let lower = name.to_ascii_lowercase();
            if lower.starts_with("unstick.") {
                return refuse(format!("`lifeboat` field `{name}`: names that begin with `unstick.` are reserved"));
            }
            let plain: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
            if RIGHTS.contains(&&*plain) {
                return refuse(format!(
                    "`lifeboat` field `{name}`: who somebody is and what they may do is for the session backend alone to say; drop the field"
                ));
            }
            if self.fields[..at].iter().any(|(other, _)| other == name) {
                return refuse(format!("`lifeboat` field `{name}` is named twice"));
            }
        }
        Ok(())
    }

    /// What the layer works with.
    pub(crate) fn build(self, cookie: &CookieConfig, lifetimes: &Lifetimes, budget: usize, header: bool) -> Result<Fleet, ConfigError> {
        self.check_names()?;
        let refuse = |sentence: String| Err(ConfigError::new(sentence));
        if header {
            return refuse(
                "`lifeboat` and `header`: a client that carries its session in a header keeps no cookies; build a layer without \
                 `lifeboat` for it"
                    .to_owned(),
            );
        }
        if self.lifetime < Duration::from_secs(1) || self.lifetime > lifetimes.absolute_deadline(Timestamp::ZERO).since(Timestamp::ZERO) {
            return refuse(format!("`lifeboat` `lifetime` is {:?}; it must be between 1 s and `absolute`", self.lifetime));
        }
        if !(MIN_TEXT..=MAX_TEXT).contains(&self.max_bytes) {
            return refuse(format!("`lifeboat` `max_bytes` is {}; it must be between {MIN_TEXT} and {MAX_TEXT}", self.max_bytes));
        }
        let name = format!("{}-lifeboat", cookie.name());
        let beside = cookie.variable_len();
        let session = HeaderBudget::line("cache-control".len(), "private, no-store".len())
            + HeaderBudget::line("vary".len(), "cookie".len())
            + unstick_core::SEALED_LEN
            + beside
            + LINE;
        let needed = session + self.max_bytes + beside + "-lifeboat".len() + LINE;
        if needed > budget {
            return refuse(format!(
                "`lifeboat` `max_bytes` is {} and `header_budget` {budget}, but both cookies may need {needed} bytes; lower the one or raise \
                 the other, and the proxies' buffers with it",
                self.max_bytes
            ));
        }
        let keys = Keys::new(&self.keys, &name);
        Ok(Fleet { name, keys, fields: self.fields, max_bytes: self.max_bytes, lifetime: self.lifetime })
    }
}

/// Keys of the ring and functions left out.
impl fmt::Debug for Lifeboat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Lifeboat")
            .field("fields", &names)
            .field("max_bytes", &self.max_bytes)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// A checked configuration.
pub(crate) struct Fleet {
    name: String,
    keys: Keys,
    fields: Vec<(Arc<str>, Option<MergeFn>)>,
    max_bytes: usize,
    lifetime: Duration,
}

impl Fleet {
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.fields.iter().map(|(name, _)| name)
    }

    pub(crate) fn is_chosen(&self, name: &str) -> bool {
        self.fields.iter().any(|(chosen, _)| **chosen == *name)
    }

    pub(crate) fn touches(&self, change: &Change) -> bool {
        change.clear || change.fields.iter().any(|(name, _)| self.is_chosen(name))
    }

    pub(crate) fn expires(&self, from: Timestamp) -> Timestamp {
        from + self.lifetime
    }

    pub(crate) fn decide(&self, offer: &Offer<'_>) -> Decision {
        let field = self.fields.iter().find(|(name, _)| **name == *offer.key);
        field.and_then(|(_, decide)| decide.as_ref()).map_or(Decision::KeepStored, |decide| decide(offer))
    }

    /// What a request carries under the lifeboat's name.
    pub(crate) fn texts(&self, headers: &HeaderMap) -> Vec<Bytes> {
        let fits = |text: &&[u8]| (1..=MAX_TEXT).contains(&text.len());
        candidates(headers, &self.name).filter(fits).take(MAX_CANDIDATES).map(Bytes::copy_from_slice).collect()
    }

    pub(crate) fn open(&self, text: &[u8], credential: &Credential, now: Timestamp) -> Option<Opened> {
        self.keys.open(text, credential, now)
    }

    /// Seals; leaves ashore what does not fit.
    ///
    /// # Errors
    /// When local changes do not fit, or there is no randomness.
    pub(crate) fn seal(&self, manifest: &mut Manifest, credential: &Credential) -> Result<String, Error> {
        loop {
            let text = self.keys.seal(manifest, credential)?;
            if text.len() <= self.max_bytes {
                return Ok(text);
            }
            if !manifest.lighten() {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "the session backend is unavailable, and the lifeboat has no room for the change",
                ));
            }
        }
    }

    pub(crate) fn line(&self, cookie: &CookieConfig, text: &str, max_age: Duration) -> Option<HeaderValue> {
        cookie.line_called(self.name.clone().into(), text, max_age)
    }

    pub(crate) fn removal(&self, cookie: &CookieConfig) -> Option<HeaderValue> {
        cookie.removal_called(self.name.clone().into())
    }
}
