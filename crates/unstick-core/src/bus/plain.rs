//! Notices as plain text, for those who write them without this library: a trigger, another service, a person with a console.
//!
//! | text | what is invalidated |
//! |---|---|
//! | `k:` and a key with its namespace and cache | [`Target::Key`] |
//! | `t:` and a tag with its namespace | [`Target::Tag`] |
//! | `*` | [`Target::All`] |
//!
//! Such a notice has no number: it arrives as a [`Notice`](super::Notice) with [`seq: None`](super::Notice::seq), with the text
//! as its payload. Payloads that caches encode for each other must not look like it: they begin with another byte.
//!
//! ```
//! use unstick_core::{LevelKey, Target, bus::{is_plain, read_plain, write_plain}};
//!
//! let target = Target::Key(LevelKey::from("shop:carts:7"));
//! assert_eq!(write_plain(&target), "k:shop:carts:7");
//! assert_eq!(read_plain(b"k:shop:carts:7"), Some(target));
//! assert!(!is_plain(b"\x01something else"));
//! ```

use crate::{LevelKey, TagKey, Target};

/// The text of a notice about `target`.
#[must_use]
pub fn write_plain(target: &Target) -> String {
    match target {
        Target::Key(key) => format!("k:{}", key.0),
        Target::Tag(tag) => format!("t:{}", tag.0),
        Target::All => "*".to_owned(),
    }
}

/// What a payload in plain text is about; `None` when it is something else.
#[must_use]
pub fn read_plain(payload: &[u8]) -> Option<Target> {
    match payload {
        b"*" => Some(Target::All),
        [b'k', b':', key @ ..] => str::from_utf8(key).ok().map(|key| Target::Key(LevelKey::from(key))),
        [b't', b':', tag @ ..] => str::from_utf8(tag).ok().map(|tag| Target::Tag(TagKey::from(tag))),
        _ => None,
    }
}

/// Whether a payload begins as those in plain text do.
#[must_use]
pub fn is_plain(payload: &[u8]) -> bool {
    matches!(payload, b"*" | [b'k' | b't', b':', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for target in [Target::All, Target::Key("".into()), Target::Key("a:b:é".into()), Target::Tag("*".into()), Target::Tag("k:x".into())]
        {
            let text = write_plain(&target);
            assert!(is_plain(text.as_bytes()));
            assert_eq!(read_plain(text.as_bytes()), Some(target));
        }
        for other in [&b""[..], b"k", b"**", b"K:x", b"k;x", b"\x01"] {
            assert!(!is_plain(other) && read_plain(other).is_none());
        }
        assert_eq!(read_plain(b"k:\xff"), None);
    }
}
