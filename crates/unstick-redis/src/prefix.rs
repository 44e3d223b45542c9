//! The prefix of all keys, and the keys.

use bytes::Bytes;
use unstick_core::{ConfigError, PublisherId, RecordKey};

pub(crate) const DEFAULT: &str = "unstick:";

/// Where everything is. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Prefix(std::sync::Arc<str>);

impl Prefix {
    /// Accepts a prefix that is safe in patterns of access rules and next to hash tags.
    pub(crate) fn new(prefix: &str) -> Result<Self, ConfigError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || ":_-./".contains(c);
        if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(plain) {
            return Err(ConfigError::new(format!("`prefix` is {prefix:?}; it must be 1 to 64 of A-Z, a-z, 0-9 and :_-./")));
        }
        Ok(Self(prefix.into()))
    }

    /// In hexadecimal digits and as a hash tag, so that what is put beside the session is in the session's slot.
    pub(crate) fn session(&self, key: &RecordKey) -> Bytes {
        self.key(b"s:{", key.as_bytes())
    }

    /// The principal's name is not in the key in clear.
    pub(crate) fn principal(&self, principal: &str) -> Bytes {
        self.key(b"p:{", &blake3::derive_key("unstick 2026-11 redis principal index", principal.as_bytes()))
    }

    /// Where all nodes listen. All channels share one hash tag: in a cluster their messages then take one way, and what a node sends to
    /// itself arrives behind the notices before it.
    pub(crate) fn channel(&self) -> String {
        format!("{}{{bus}}", self.0)
    }

    /// Where one node listens to itself.
    pub(crate) fn own_channel(&self, publisher: PublisherId) -> String {
        format!("{}{{bus}}:{:016x}", self.0, publisher.0)
    }

    /// All schemas and leases of a cached value, and recent invalidations of it.
    pub(crate) fn cached(&self, key: &str) -> Bytes {
        self.text("c:{", key)
    }

    /// Since when values with a tag are good.
    pub(crate) fn tag(&self, tag: &str) -> Bytes {
        self.text("t:{", tag)
    }

    /// Epoch and sequence of the cache level.
    pub(crate) fn meta(&self) -> Bytes {
        [self.0.as_bytes(), b"c:meta"].concat().into()
    }

    /// A prefix has no braces, so that no text can make one key look like another.
    fn text(&self, kind: &str, text: &str) -> Bytes {
        [&*self.0, kind, text, "}"].concat().into()
    }

    fn key(&self, kind: &[u8], bytes: &[u8; 32]) -> Bytes {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut key = Vec::with_capacity(self.0.len() + kind.len() + 65);
        key.extend_from_slice(self.0.as_bytes());
        key.extend_from_slice(kind);
        for byte in bytes {
            key.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        key.push(b'}');
        key.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words() {
        for good in [DEFAULT, "a", "shop.example/sessions_2-b:"] {
            Prefix::new(good).unwrap();
        }
        for bad in ["", "a b", "{a}", "a*", "a?", "[a]", "ä", "a\n", &"a".repeat(65)] {
            assert!(Prefix::new(bad).unwrap_err().to_string().contains("prefix"), "{bad}");
        }
    }

    #[test]
    fn keys() {
        let prefix = Prefix::new("a:").unwrap();
        let key = prefix.session(&RecordKey::from_bytes([0x0f; 32]));
        assert_eq!(String::from_utf8(key.into()).unwrap(), format!("a:s:{{{}}}", "0f".repeat(32)));
        let ann = String::from_utf8(prefix.principal("ann").into()).unwrap();
        assert!(ann.starts_with("a:p:{") && ann.len() == 70 && !ann.contains("ann"));
        assert_ne!(ann.into_bytes(), prefix.principal("Ann"));
        assert_eq!(prefix.cached("carts:7"), b"a:c:{carts:7}"[..]);
        assert_eq!(prefix.tag("customer:7"), b"a:t:{customer:7}"[..]);
        assert_eq!(prefix.meta(), b"a:c:meta"[..]);
    }
}
