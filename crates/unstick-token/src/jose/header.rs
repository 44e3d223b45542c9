//! The protected header: one fixed text per key. A received one is compared with it and never parsed for what to do, so
//! that `alg`, `crit`, `zip`, `jku`, `jwk` and `b64` of an attacker's choosing are only bytes that differ.

use super::{decode, encode};

/// Random characters in the header of an encrypted token, from which its key is derived.
pub(crate) type Salt = [u8; SALT];
const SALT: usize = 12;
/// What they take in the header's base64: they begin at a multiple of three bytes.
const SALT_ENCODED: usize = 16;

/// RFC 8725 section 3.11: tokens of other kinds, of the same keys, are not ours.
const TYP: &str = "unstick+jwt";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hs256,
    EdDsa,
    A256Gcm,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Hs256, Self::EdDsa, Self::A256Gcm];

    /// The header up to the key's id.
    fn opening(self) -> String {
        let alg = match self {
            Self::Hs256 => r#""alg":"HS256""#,
            Self::EdDsa => r#""alg":"EdDSA""#,
            Self::A256Gcm => r#""alg":"dir","enc":"A256GCM""#,
        };
        format!(r#"{{{alg},"typ":"{TYP}","kid":""#)
    }
}

/// The header segment of one key's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// Before the salt; the whole segment where there is none.
    start: String,
    /// After the salt.
    end: Option<String>,
}

/// Letters that stand in JSON as they are.
pub(crate) fn is_key_id(kid: &str) -> bool {
    (1..=64).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl Header {
    pub(crate) fn new(algorithm: Algorithm, kid: &str) -> Self {
        let mut text = algorithm.opening() + kid;
        if algorithm != Algorithm::A256Gcm {
            return Self { start: encode(text + r#""}"#), end: None };
        }
        text += r#"","salt":"#;
        // White space is no part of the value: it only moves the salt to where base64 begins anew.
        while !(text.len() + 1).is_multiple_of(3) {
            text.push(' ');
        }
        Self { start: encode(text + r#"""#), end: Some(encode(r#""}"#)) }
    }

    /// Characters of the segment.
    pub(crate) fn len(&self) -> usize {
        self.start.len() + self.end.as_ref().map_or(0, |end| end.len() + SALT_ENCODED)
    }

    /// The segment of a signed token.
    pub(crate) fn text(&self) -> &str {
        &self.start
    }

    /// The segment of an encrypted token.
    pub(crate) fn salted(&self, salt: &Salt) -> String {
        format!("{}{}{}", self.start, encode(salt), self.end.as_deref().unwrap_or_default())
    }

    /// Whether `segment` is this header, and the salt that it carries.
    pub(crate) fn find_in(&self, segment: &[u8]) -> Option<Option<Salt>> {
        let rest = segment.strip_prefix(self.start.as_bytes())?;
        let Some(end) = &self.end else { return rest.is_empty().then_some(None) };
        let salt = decode(rest.strip_suffix(end.as_bytes()).filter(|salt| salt.len() == SALT_ENCODED)?)?;
        let is_salt = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        salt.iter().all(is_salt).then(|| salt.try_into().ok().map(Some)).flatten()
    }

    /// Whether `segment` is a header as we write them, for a key called what it returns.
    pub(crate) fn key_id(segment: &[u8]) -> Option<String> {
        let text = String::from_utf8(decode(segment)?).ok()?;
        Algorithm::ALL.into_iter().find_map(|algorithm| {
            let (kid, _) = text.strip_prefix(&algorithm.opening())?.split_once('"')?;
            (is_key_id(kid) && Self::new(algorithm, kid).find_in(segment).is_some()).then(|| kid.to_owned())
        })
    }
}

/// A fresh salt out of nine random bytes.
pub(crate) fn salt(random: &[u8; 9]) -> Salt {
    let mut salt = [0; SALT];
    salt.copy_from_slice(encode(random).as_bytes());
    salt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_text_for_every_token_but_for_the_salt() {
        for (algorithm, text) in [
            (Algorithm::Hs256, r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1"}"#),
            (Algorithm::EdDsa, r#"{"alg":"EdDSA","typ":"unstick+jwt","kid":"k1"}"#),
        ] {
            let header = Header::new(algorithm, "k1");
            assert_eq!(decode(header.text().as_bytes()).unwrap(), text.as_bytes());
            assert_eq!(header.find_in(header.text().as_bytes()), Some(None));
            assert_eq!(header.len(), header.text().len());
        }
    }

    #[test]
    fn the_salt_begins_where_base64_begins_anew_whatever_the_key_is_called() {
        for kid in ["k", "k1", "k12", "k123"] {
            let header = Header::new(Algorithm::A256Gcm, kid);
            let salt = salt(b"123456789");
            let segment = header.salted(&salt);
            assert_eq!(segment.len(), header.len());
            let text = String::from_utf8(decode(segment.as_bytes()).unwrap()).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["salt"], "MTIzNDU2Nzg5", "{text}");
            assert_eq!(json["kid"], kid);
            assert_eq!(header.find_in(segment.as_bytes()), Some(Some(salt)));
            assert_eq!(Header::key_id(segment.as_bytes()).as_deref(), Some(kid));
        }
    }

    #[test]
    fn a_salt_cannot_smuggle_members_in() {
        let header = Header::new(Algorithm::A256Gcm, "k1");
        for salt in [br#"x","zip":"DE"#, br#"","crit":["a"#, b"           \n", b"=+/=+/=+/=+/"] {
            let segment = header.salted(salt);
            assert!(header.find_in(segment.as_bytes()).is_none(), "{}", salt.escape_ascii());
            assert!(Header::key_id(segment.as_bytes()).is_none());
        }
    }
}
