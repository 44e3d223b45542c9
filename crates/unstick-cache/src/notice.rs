//! Notices between nodes as bytes. What this release cannot read it reports, so that the node looks everything up anew.
//!
//! Format 1: format, kind, hash of the namespace's name (8 bytes), origin (8), number (8), flags, then the targets, each a kind byte and, unless it is everything,
//! a length (2 bytes) and the text. All numbers are big-endian.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use unstick_core::{LevelKey, TagKey, Target};

use super::mark::MarkId;

const FORMAT: u8 = 1;
const INVALIDATED: u8 = 1;
const WAKE: u8 = 2;
const LEVEL_PENDING: u8 = 1;

/// Of an invalidation, in bytes; a longer one is told to other nodes as one of everything. What every bus carries: PostgreSQL less than 6000.
const LONGEST: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Invalidated {
        /// Hash of the namespace's name.
        namespace: u64,
        id: MarkId,
        targets: Arc<[Target]>,
        /// The shared level has not confirmed it.
        level_pending: bool,
    },
    /// A load that others wait for is over; by the hash of its key.
    Wake(u64),
}

impl Message {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(64);
        bytes.put_u8(FORMAT);
        match self {
            Self::Invalidated { namespace, id, targets, level_pending } => {
                bytes.put_u8(INVALIDATED);
                bytes.put_u64(*namespace);
                bytes.put_u64(id.origin);
                bytes.put_u64(id.number);
                bytes.put_u8(if *level_pending { LEVEL_PENDING } else { 0 });
                let head = bytes.len();
                for target in &**targets {
                    put(&mut bytes, target);
                }
                // a bus that cannot carry it would refuse it for ever
                if bytes.len() > LONGEST {
                    bytes.truncate(head);
                    put(&mut bytes, &Target::All);
                }
            }
            Self::Wake(key) => {
                bytes.put_u8(WAKE);
                bytes.put_u64(*key);
            }
        }
        bytes.freeze()
    }

    /// `None`: written by a release that this one does not know, or garbage.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[FORMAT, kind], rest) = bytes.split_first_chunk()? else { return None };
        match kind {
            INVALIDATED => {
                let (namespace, rest) = rest.split_first_chunk()?;
                let namespace = u64::from_be_bytes(*namespace);
                let (origin, rest) = rest.split_first_chunk()?;
                let (number, rest) = rest.split_first_chunk()?;
                let (&flags, mut rest) = rest.split_first()?;
                let mut targets = Vec::new();
                while !rest.is_empty() {
                    let target;
                    (target, rest) = take(rest)?;
                    targets.push(target);
                }
                let id = MarkId { origin: u64::from_be_bytes(*origin), number: u64::from_be_bytes(*number) };
                let known = flags & !LEVEL_PENDING == 0;
                known.then(|| Self::Invalidated { namespace, id, targets: targets.into(), level_pending: flags & LEVEL_PENDING != 0 })
            }
            WAKE => Some(Self::Wake(u64::from_be_bytes(rest.try_into().ok()?))),
            _ => None,
        }
    }
}

fn put(bytes: &mut BytesMut, target: &Target) {
    let (kind, text) = match target {
        Target::Key(key) => (b'k', &*key.0),
        Target::Tag(tag) => (b't', &*tag.0),
        _ => (b'a', ""),
    };
    // keys and tags are far shorter: they are hashed when they are long
    match u16::try_from(text.len()) {
        Ok(len) if kind != b'a' => {
            bytes.put_u8(kind);
            bytes.put_u16(len);
            bytes.put_slice(text.as_bytes());
        }
        _ => bytes.put_u8(b'a'),
    }
}

fn take(bytes: &[u8]) -> Option<(Target, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    if kind == b'a' {
        return Some((Target::All, rest));
    }
    let (len, rest) = rest.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    let text = std::str::from_utf8(text).ok()?;
    match kind {
        b'k' => Some((Target::Key(LevelKey::from(text)), rest)),
        b't' => Some((Target::Tag(TagKey::from(text)), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn targets() -> impl Strategy<Value = Vec<Target>> {
        let one = prop_oneof![
            ".{0,40}".prop_map(|text| Target::Key(LevelKey::from(&*text))),
            ".{0,40}".prop_map(|text| Target::Tag(TagKey::from(&*text))),
            Just(Target::All),
        ];
        prop::collection::vec(one, 0..6)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(namespace: u64, origin: u64, number: u64, level_pending: bool, targets in targets()) {
            let message = Message::Invalidated { namespace, id: MarkId { origin, number }, targets: targets.into(), level_pending };
            prop_assert_eq!(Message::decode(&message.encode()), Some(message));
        }

        #[test]
        fn garbage_is_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(message) = Message::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes);
            }
        }
    }

    #[test]
    fn what_no_bus_could_carry_is_everything() {
        let many = |count: usize| Message::Invalidated {
            namespace: 5,
            id: MarkId { origin: 7, number: 2 },
            targets: (0..count).map(|number| Target::Tag(TagKey::from(&*format!("shop:{number:0>200}")))).collect(),
            level_pending: true,
        };
        assert_eq!(Message::decode(&many(15).encode()), Some(many(15)));
        let Some(Message::Invalidated { targets, level_pending, .. }) = Message::decode(&many(1000).encode()) else { panic!("no notice") };
        assert_eq!((&*targets, level_pending), (&[Target::All][..], true));
    }

    #[test]
    fn the_bytes_of_format_1_stay_readable() {
        let golden = b"\x01\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x02\x01k\0\x06shop:at\0\x03s:ba";
        let targets = [Target::Key(LevelKey::from("shop:a")), Target::Tag(TagKey::from("s:b")), Target::All].into();
        let message = Message::Invalidated { namespace: 5, id: MarkId { origin: 7, number: 2 }, targets, level_pending: true };
        assert_eq!(Message::decode(golden), Some(message.clone()));
        assert_eq!(message.encode(), &golden[..]);
        assert_eq!(Message::decode(b"\x01\x02\0\0\0\0\0\0\0\x09"), Some(Message::Wake(9)));
        assert_eq!(Message::decode(b"\x02\x01\0"), None, "a newer format");
    }
}
