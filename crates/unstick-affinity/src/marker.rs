//! The bytes of the marker cookie: what a client was told, so that any node can tell whether it worked.
//!
//! It is neither signed nor trusted: whoever forges one gets other deletions of cookies of their own, within the same budget.

/// Name of the cookie.
pub(crate) const NAME: &str = "unstick-pins";
/// Pins remembered per client.
pub(crate) const MAX_ENTRIES: usize = 8;

const VERSION: u8 = b'1';
const ENTRY: usize = 13;
const RUN: usize = 6;
/// Longest value.
const MAX: usize = 1 + RUN + MAX_ENTRIES * ENTRY;

/// What one client's marker says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) run: Option<Run>,
    pub(crate) entries: Vec<Entry>,
}

/// Responses in a row by one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// 24 bits.
    pub(crate) node: u32,
    /// 12 bits.
    pub(crate) length: u16,
}

/// Which pin, as short hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// Of the row's label, 18 bits.
    pub(crate) label: u32,
    /// Of the cookie's name, 18 bits.
    pub(crate) name: u32,
}

/// One pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) state: State,
    /// Of the further forms of deletion, the first that was told last. 12 bits.
    pub(crate) from: u16,
    /// How many of them. 6 bits.
    pub(crate) count: u8,
    /// Where the pin was seen: its absence means something there. 12 bits; 0 is anywhere.
    pub(crate) place: u16,
}

/// How it stands with a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Told, for the so-manyeth time through all forms.
    Told(u8),
    /// Told again what had worked before.
    Retold,
    /// It went.
    Gone,
    /// Everything was tried in vain.
    Stopped,
}

const RETOLD: u32 = 61;
const GONE: u32 = 62;
const STOPPED: u32 = 63;

impl State {
    /// Times through all forms are kept up to this.
    pub(crate) const MAX_CYCLES: u8 = 15;

    fn code(self) -> u32 {
        match self {
            Self::Told(cycles) => u32::from(cycles.min(Self::MAX_CYCLES)),
            Self::Retold => RETOLD,
            Self::Gone => GONE,
            Self::Stopped => STOPPED,
        }
    }

    fn of(code: u32) -> Option<Self> {
        Some(match code {
            RETOLD => Self::Retold,
            GONE => Self::Gone,
            STOPPED => Self::Stopped,
            _ => Self::Told(u8::try_from(code).ok().filter(|cycles| *cycles <= Self::MAX_CYCLES)?),
        })
    }
}

impl Key {
    pub(crate) fn new(label: &str, name: &str) -> Self {
        Self { label: hash(label.as_bytes()) >> 14, name: hash(name.as_bytes()) >> 14 }
    }
}

/// Where a request goes, for [`Entry::place`]: a hash of the path's first segment, or 0 for the root.
pub(crate) fn place(path: &str) -> u16 {
    match path.split('/').find(|segment| !segment.is_empty()) {
        None => 0,
        Some(segment) => u16::try_from(hash(segment.as_bytes()) >> 20).unwrap_or_default().max(1),
    }
}

/// A node by its name.
pub(crate) fn node(instance: &str) -> u32 {
    hash(instance.as_bytes()) >> 8
}

/// FNV-1a, mixed at the end (as in `MurmurHash3`) so that the upper bits are good. Part of the format: all nodes must agree.
fn hash(bytes: &[u8]) -> u32 {
    let mut hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

impl Marker {
    pub(crate) fn is_empty(&self) -> bool {
        self.run.is_none() && self.entries.is_empty()
    }

    pub(crate) fn entry(&self, key: Key) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Reads a cookie's value. `None` for anything that is not ours, and for other versions. The first of several entries of one pin counts.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        if value.len() > MAX {
            return None;
        }
        let (VERSION, rest) = value.split_first().map(|(version, rest)| (*version, rest))? else { return None };
        let (run, entries) = match rest.len() % ENTRY {
            0 => (None, rest),
            RUN => {
                let (run, entries) = rest.split_at(RUN);
                (Some(Run { node: number(&run[..4])?, length: u16::try_from(number(&run[4..])?).ok()? }), entries)
            }
            _ => return None,
        };
        let mut marker = Self { run, entries: Vec::new() };
        for entry in entries.chunks_exact(ENTRY).map(Entry::parse) {
            let entry = entry?;
            if marker.entry(entry.key).is_none() {
                marker.entries.push(entry);
            }
        }
        Some(marker)
    }

    /// The cookie's value.
    pub(crate) fn value(&self) -> String {
        let mut text = String::with_capacity(MAX);
        text.push(char::from(VERSION));
        if let Some(run) = self.run {
            push(&mut text, run.node, 4);
            push(&mut text, u32::from(run.length), 2);
        }
        for entry in self.entries.iter().take(MAX_ENTRIES) {
            entry.write(&mut text);
        }
        text
    }

    /// Length of the value with so many entries.
    pub(crate) fn length(entries: usize, has_run: bool) -> usize {
        1 + if has_run { RUN } else { 0 } + entries.min(MAX_ENTRIES) * ENTRY
    }
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            key: Key { label: number(&bytes[..3])?, name: number(&bytes[3..6])? },
            state: State::of(number(&bytes[6..7])?)?,
            from: u16::try_from(number(&bytes[7..9])?).ok()?,
            count: u8::try_from(number(&bytes[9..10])?).ok()?,
            place: u16::try_from(number(&bytes[10..12])?).ok()?,
        })
        .filter(|_| bytes[12] == b'.')
    }

    fn write(&self, text: &mut String) {
        push(text, self.key.label, 3);
        push(text, self.key.name, 3);
        push(text, self.state.code(), 1);
        push(text, u32::from(self.from), 2);
        push(text, u32::from(self.count), 1);
        push(text, u32::from(self.place), 2);
        text.push('.');
    }
}

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// Six bits per character, the highest first.
fn push(text: &mut String, number: u32, digits: u32) {
    for digit in (0..digits).rev() {
        let index = usize::try_from(number >> (6 * digit) & 63).unwrap_or_default();
        text.push(char::from(DIGITS[index]));
    }
}

fn number(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number: u32, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        Some(number << 6 | u32::from(value))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::{Entry, Key, MAX, MAX_ENTRIES, Marker, Run, State, node, place};
    use crate::catalogue;

    pub(crate) fn any_entry() -> impl Strategy<Value = Entry> {
        let state =
            prop_oneof![(0..=State::MAX_CYCLES).prop_map(State::Told), Just(State::Retold), Just(State::Gone), Just(State::Stopped)];
        (0..1u32 << 18, 0..1u32 << 18, state, 0..1u16 << 12, 0..1u8 << 6, 0..1u16 << 12)
            .prop_map(|(label, name, state, from, count, place)| Entry { key: Key { label, name }, state, from, count, place })
    }

    pub(crate) fn any_marker() -> impl Strategy<Value = Marker> {
        let run = prop::option::of((0..1u32 << 24, 0..1u16 << 12).prop_map(|(node, length)| Run { node, length }));
        (run, prop::collection::vec(any_entry(), 0..=MAX_ENTRIES)).prop_map(|(run, mut entries)| {
            let mut keys = Vec::new();
            entries.retain(|entry| {
                !keys.contains(&entry.key) && {
                    keys.push(entry.key);
                    true
                }
            });
            Marker { run, entries }
        })
    }

    #[test]
    fn the_bytes_are_those_of_the_first_release() {
        let marker = Marker {
            run: Some(Run { node: node("node-1"), length: 3 }),
            entries: vec![Entry { key: Key::new("haproxy", "SRV"), state: State::Told(1), from: 5, count: 4, place: place("/shop/cart") }],
        };
        assert_eq!(marker.value(), GOLDEN);
        assert_eq!(Marker::parse(GOLDEN.as_bytes()), Some(marker));
    }

    const GOLDEN: &str = "1giXs03z4FO3u10540N.";

    #[test]
    fn labels_and_places_are_told_apart() {
        let labels: HashSet<_> = catalogue::products().iter().map(|product| Key::new(product.name, "").label).collect();
        assert_eq!(labels.len(), catalogue::products().len());
        assert_eq!((place("/"), place(""), place("//")), (0, 0, 0));
        assert_eq!(place("/shop"), place("/shop/cart?x"));
        assert_ne!(place("/shop"), place("/cart"));
        assert_ne!(node("a"), node("b"));
    }

    #[test]
    fn what_is_not_ours_is_nothing() {
        for odd in ["", "1x", "0", "2", "1aaaaa", "1aaaaaaaaaaaaa", "1aaaaaaN00000.", "1aaaaaa00000 .", "1\u{e4}"] {
            assert_eq!(Marker::parse(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(Marker::parse(b"1"), Some(Marker::default()));
        let twice = "1aaabbb000000.aaabbb-00000.";
        assert_eq!(Marker::parse(twice.as_bytes()).map(|marker| marker.entries.len()), Some(1));
        assert_eq!(Marker::parse("1".repeat(MAX + 1).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(marker in any_marker()) {
            let value = marker.value();
            prop_assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
            prop_assert_eq!(value.len(), Marker::length(marker.entries.len(), marker.run.is_some()));
            prop_assert_eq!(Marker::parse(value.as_bytes()), Some(marker));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "1[0-9A-Za-z_.-]{0,130}") {
            for value in [bytes.as_slice(), text.as_bytes()] {
                if let Some(marker) = Marker::parse(value) {
                    prop_assert!(marker.entries.len() <= MAX_ENTRIES);
                    prop_assert_eq!(Marker::parse(marker.value().as_bytes()), Some(marker));
                }
            }
        }
    }
}
