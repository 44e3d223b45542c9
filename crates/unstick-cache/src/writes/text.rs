//! The signed text that a client carries. Format 1; bytes of every released format are kept in the tests.
//!
//! ```text
//! offset 0  1      2        6        12     len-16
//!        | 1 | kind | key id | issued | body | mac |
//! ```
//! `issued` is unsigned 48-bit big-endian milliseconds. The MAC is BLAKE3 in keyed mode, cut to 128 bits, over the name of the slot
//! and everything before it. Offsets 2..6 and the MAC's place stay in all formats, so that one can be told from a forgery by a
//! release that cannot read it.
//!
//! Kind 0, marks, each: flags (1 = the level has not confirmed it, 2 = everything, 4 = origin as before, 8 = the bus has not confirmed it), origin unless as before, then as
//! variable-length integers number, age in milliseconds, with flag 1 or 8 for how many seconds what is stale may be kept, how many keys,
//! how many tags; then their prints of 8 bytes each. Kind 1, bypass: the said number of seconds, or 0.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use unstick_core::{KeyRing, Timestamp};

use crate::mark::{Mark, MarkId, Print};

/// Longer texts are not looked at.
pub(super) const LONGEST: usize = 2048;

const FORMAT: u8 = 1;
const MARKS: u8 = 0;
const BYPASS: u8 = 1;
const PENDING: u8 = 1;
const ALL: u8 = 2;
const SAME_ORIGIN: u8 = 4;
const UNHEARD: u8 = 8;
const HEAD: usize = 12;
const MAC: usize = 16;

/// A mark, and when the client was given it, by the clock of the node that did so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dated {
    pub(crate) mark: Mark,
    pub(crate) issued: Timestamp,
    /// For how long what is stale may be kept somewhere, as the issuer knew it; zero when level and bus have confirmed the invalidation.
    pub(crate) pending_for: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Marks(Vec<Dated>),
    /// There were too many of them.
    Bypass {
        pending_for: Duration,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) content: Content,
    pub(super) issued: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Authentic(Opened),
    /// Signed by us, in a format of a later release.
    Newer,
    UnknownKey,
    Forged,
    Malformed,
}

/// A key ring bound to one use.
pub(super) struct Signer(Box<[Bound]>);

struct Bound {
    id: [u8; 4],
    key: [u8; 32],
}

impl Signer {
    /// The first key of the ring signs.
    pub(super) fn new(ring: &KeyRing, purpose: &str) -> Self {
        Self(ring.iter().map(|(key, _)| Bound { id: key.id(), key: key.derive(purpose) }).collect())
    }

    pub(super) fn seal(&self, slot: &str, issued: Timestamp, content: &Content) -> String {
        let Some(Bound { id, key }) = self.0.first() else { return String::new() };
        let mut raw = vec![FORMAT, if matches!(content, Content::Marks(_)) { MARKS } else { BYPASS }];
        raw.extend_from_slice(id);
        let millis = u64::try_from(issued.as_millis()).unwrap_or(0).min((1 << 48) - 1);
        raw.extend_from_slice(&millis.to_be_bytes()[2..]);
        put(&mut raw, issued, content);
        let mac = mac(key, slot.as_bytes(), &raw);
        raw.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(raw)
    }

    /// One MAC at most.
    pub(super) fn open(&self, slot: &[u8], text: &[u8]) -> Verdict {
        if text.len() > LONGEST {
            return Verdict::Malformed;
        }
        let Ok(raw) = URL_SAFE_NO_PAD.decode(text) else { return Verdict::Malformed };
        let Some((signed, tag)) = raw.split_last_chunk::<MAC>().filter(|(signed, _)| signed.len() >= HEAD) else {
            return Verdict::Malformed;
        };
        let Some(bound) = self.0.iter().find(|bound| signed[2..6] == bound.id) else { return Verdict::UnknownKey };
        if !bool::from(u128::from_ne_bytes(mac(&bound.key, slot, signed)).ct_eq(&u128::from_ne_bytes(*tag))) {
            return Verdict::Forged;
        }
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&signed[6..HEAD]);
        let issued = Timestamp::from_millis(i64::from_be_bytes(millis));
        match (signed[0], take(signed[1], &signed[HEAD..], issued)) {
            (FORMAT, Some(content)) => Verdict::Authentic(Opened { content, issued }),
            _ => Verdict::Newer,
        }
    }
}

/// Characters of the text that `content` becomes.
pub(super) fn len(issued: Timestamp, content: &Content) -> usize {
    let mut body = Vec::new();
    put(&mut body, issued, content);
    (HEAD + MAC + body.len()).saturating_mul(4).div_ceil(3)
}

fn mac(key: &[u8; 32], slot: &[u8], signed: &[u8]) -> [u8; MAC] {
    let hash = blake3::Hasher::new_keyed(key).update(slot).update(&[0]).update(signed).finalize();
    let mut mac = [0; MAC];
    mac.copy_from_slice(&hash.as_bytes()[..MAC]);
    mac
}

fn put(to: &mut Vec<u8>, now: Timestamp, content: &Content) {
    let marks = match content {
        Content::Marks(marks) => marks,
        Content::Bypass { pending_for } => return put_number(to, pending_for.as_secs()),
    };
    let mut origin = None;
    for Dated { mark, issued, pending_for } in marks {
        let count = |is: fn(&Print) -> bool| mark.prints.iter().filter(|print| is(print)).count() as u64;
        let (keys, tags) = (count(|print| matches!(print, Print::Key(_))), count(|print| matches!(print, Print::Tag(_))));
        let is_same = origin == Some(mark.id.origin);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let pending = flag(mark.level_pending, PENDING) | flag(mark.bus_pending, UNHEARD);
        let flags = pending | flag(mark.prints.contains(&Print::All), ALL) | flag(is_same, SAME_ORIGIN);
        to.push(flags);
        if !is_same {
            to.extend_from_slice(&mark.id.origin.to_be_bytes());
            origin = Some(mark.id.origin);
        }
        put_number(to, mark.id.number);
        put_number(to, u64::try_from(now.since(*issued).as_millis()).unwrap_or(u64::MAX));
        if mark.is_pending() {
            put_number(to, pending_for.as_secs());
        }
        put_number(to, keys);
        put_number(to, tags);
        let keys = mark.prints.iter().filter_map(|print| if let Print::Key(hash) = print { Some(hash) } else { None });
        let tags = mark.prints.iter().filter_map(|print| if let Print::Tag(hash) = print { Some(hash) } else { None });
        keys.chain(tags).for_each(|hash| to.extend_from_slice(&hash.to_be_bytes()));
    }
}

fn put_number(to: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            return to.push(low);
        }
        to.push(low | 0x80);
    }
}

fn take(kind: u8, mut body: &[u8], issued: Timestamp) -> Option<Content> {
    if kind == BYPASS {
        let pending_for = Duration::from_secs(take_number(&mut body)?);
        return body.is_empty().then_some(Content::Bypass { pending_for });
    }
    if kind != MARKS {
        return None;
    }
    let (mut marks, mut origin) = (Vec::new(), None);
    while let Some((&flags, rest)) = body.split_first() {
        body = rest;
        if flags > PENDING | ALL | SAME_ORIGIN | UNHEARD {
            return None;
        }
        if flags & SAME_ORIGIN == 0 {
            origin = Some(take_8(&mut body)?);
        }
        let id = MarkId { origin: origin?, number: take_number(&mut body)? };
        let age = take_number(&mut body)?;
        let pending_for = Duration::from_secs(if flags & (PENDING | UNHEARD) == 0 { 0 } else { take_number(&mut body)? });
        let (keys, tags) = (take_number(&mut body)?, take_number(&mut body)?);
        if keys.checked_add(tags)? > body.len() as u64 / 8 {
            return None;
        }
        let mut prints = Vec::new();
        for _ in 0..keys {
            prints.push(Print::Key(take_8(&mut body)?));
        }
        for _ in 0..tags {
            prints.push(Print::Tag(take_8(&mut body)?));
        }
        if flags & ALL != 0 {
            prints.push(Print::All);
        }
        let mark = Mark { id, prints: prints.into(), level_pending: flags & PENDING != 0, bus_pending: flags & UNHEARD != 0 };
        marks.push(Dated { mark, issued: issued - Duration::from_millis(age), pending_for });
    }
    Some(Content::Marks(marks))
}

fn take_8(from: &mut &[u8]) -> Option<u64> {
    let (bytes, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u64::from_be_bytes(*bytes))
}

fn take_number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Redacts the keys.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} keys)", self.0.len())
    }
}
