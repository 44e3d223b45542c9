//! What is aboard: plain data, its bytes, and how changes are noted in it.
//!
//! ```text
//! issued 8 | expires 8 | started 8 | voyage 16 | step 2 | count 1 | entries
//! entry: name length 1 | name | flags 1 | base 8 | [also 8 | first 2 | last 2] | [value length 4 | value]
//! ```
//! Numbers are big-endian. Started, voyage and step are zero without local changes; what is in brackets is there if a flag says so.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use unstick_core::{Change, Field, FieldChange, FieldVersion, Fields, Timestamp};

/// The most fields that can be aboard.
pub(crate) const MAX_FIELDS: usize = 16;

const HAS_VALUE: u8 = 1;
const IS_LOCAL: u8 = 2;

/// Which local changes belong together: those since the first that the backend has not been told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Voyage {
    pub(crate) id: [u8; 16],
    pub(crate) started: Timestamp,
    /// Counts the responses that brought local changes, from 1.
    pub(crate) step: u16,
}

/// A field whose value is known, or known to be absent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    /// What the backend last confirmed.
    pub(crate) base: FieldVersion,
    pub(crate) value: Option<Bytes>,
    pub(crate) local: Option<Local>,
}

/// A change that the backend has not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local {
    /// The version that the change has in the backend if it arrived there all the same; absent: it cannot have.
    pub(crate) also: FieldVersion,
    /// The first step of the voyage that changed the field.
    pub(crate) first: u16,
    /// The last one.
    pub(crate) last: u16,
}

/// Leaves the value out.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.value.as_ref().map(Bytes::len);
        f.debug_struct("Entry").field("name", &self.name).field("length", &length).field("local", &self.local).finish_non_exhaustive()
    }
}

/// All that is aboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) voyage: Option<Voyage>,
    pub(crate) entries: Vec<Entry>,
}

impl Manifest {
    /// Nothing is known.
    pub(crate) fn unknown(now: Timestamp, expires: Timestamp) -> Self {
        Self { issued: now, expires, voyage: None, entries: Vec::new() }
    }

    /// All chosen fields, as the backend has them.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a Arc<str>>, fields: &Fields, now: Timestamp, expires: Timestamp) -> Self {
        let entry = |name: &Arc<str>| {
            let field = fields.get(name);
            let base = field.map_or(FieldVersion::ABSENT, |field| field.version);
            Entry { name: name.clone(), base, value: field.map(|field| field.value.clone()), local: None }
        };
        Self { entries: names.take(MAX_FIELDS).map(entry).collect(), ..Self::unknown(now, expires) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| *entry.name == *name)
    }

    /// What the client sees while nothing else is to be had.
    pub(crate) fn fields(&self) -> Fields {
        let field = |entry: &Entry| Some((entry.name.clone(), Field { version: entry.base, value: entry.value.clone()? }));
        self.entries.iter().filter_map(field).collect()
    }

    /// Takes in a change that the backend has confirmed, for chosen fields.
    pub(crate) fn confirm(&mut self, change: &Change, version: FieldVersion, is_chosen: impl Fn(&str) -> bool) {
        if change.clear {
            for entry in &mut self.entries {
                *entry = Entry { name: entry.name.clone(), base: FieldVersion::ABSENT, value: None, local: None };
            }
        }
        for (name, delta) in &change.fields {
            if !is_chosen(name) {
                continue;
            }
            let (base, value) = match delta {
                FieldChange::Set(value) => (version, Some(value.clone())),
                FieldChange::Remove => (FieldVersion::ABSENT, None),
            };
            let after = Entry { name: name.clone(), base, value, local: None };
            match self.entries.iter().position(|entry| entry.name == *name) {
                Some(at) => self.entries[at] = after,
                None if self.entries.len() < MAX_FIELDS => self.entries.push(after),
                None => {}
            }
        }
    }

    /// Takes in a change that the backend has not confirmed, as a part of `voyage`. `also`: see [`Local::also`].
    ///
    /// Whether that can be done: only fields whose present state is known have a base.
    pub(crate) fn change(&mut self, change: &Change, also: FieldVersion, voyage: Voyage) -> bool {
        if change.clear || change.fields.iter().any(|(name, _)| self.get(name).is_none()) {
            return false;
        }
        for (name, delta) in &change.fields {
            let Some(entry) = self.entries.iter_mut().find(|entry| entry.name == *name) else { continue };
            entry.value = match delta {
                FieldChange::Set(value) => Some(value.clone()),
                FieldChange::Remove => None,
            };
            let first = entry.local.map_or(voyage.step, |local| local.first);
            let before = entry.local.map_or(FieldVersion::ABSENT, |local| local.also);
            let also = if also == FieldVersion::ABSENT { before } else { also };
            entry.local = Some(Local { also, first, last: voyage.step });
        }
        self.voyage = Some(voyage);
        true
    }

    /// Leaves out the largest value, if there is one that is no local change; whether there was.
    pub(crate) fn lighten(&mut self) -> bool {
        let size = |entry: &Entry| entry.name.len() + entry.value.as_ref().map_or(0, Bytes::len);
        let clean = self.entries.iter().enumerate().filter(|(_, entry)| entry.local.is_none());
        let Some((at, _)) = clean.max_by_key(|(_, entry)| size(entry)) else { return false };
        self.entries.remove(at);
        true
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        let none = Voyage { id: [0; 16], started: Timestamp::ZERO, step: 0 };
        let voyage = self.voyage.as_ref().unwrap_or(&none);
        for time in [self.issued, self.expires, voyage.started] {
            bytes.extend(time.as_millis().to_be_bytes());
        }
        bytes.extend(voyage.id);
        bytes.extend(voyage.step.to_be_bytes());
        bytes.push(u8::try_from(self.entries.len()).unwrap_or(u8::MAX));
        for entry in &self.entries {
            bytes.push(u8::try_from(entry.name.len()).unwrap_or(u8::MAX));
            bytes.extend(entry.name.as_bytes());
            bytes.push((u8::from(entry.value.is_some()) * HAS_VALUE) | (u8::from(entry.local.is_some()) * IS_LOCAL));
            bytes.extend(entry.base.as_u64().to_be_bytes());
            if let Some(local) = &entry.local {
                bytes.extend(local.also.as_u64().to_be_bytes());
                bytes.extend(local.first.to_be_bytes());
                bytes.extend(local.last.to_be_bytes());
            }
            if let Some(value) = &entry.value {
                bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
                bytes.extend(value);
            }
        }
        bytes
    }

    /// `None` for bytes that [`encode`](Self::encode) does not write.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let [issued, expires, started] = [rest.time()?, rest.time()?, rest.time()?];
        let (id, step) = (rest.array()?, u16::from_be_bytes(rest.array()?));
        let voyage = (step > 0).then_some(Voyage { id, started, step });
        let [count] = rest.array()?;
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..count {
            let [length] = rest.array()?;
            let name = std::str::from_utf8(rest.take(usize::from(length))?).ok()?;
            Fields::check_name(name).ok()?;
            let [flags] = rest.array()?;
            let base = rest.version()?;
            let local = if flags & IS_LOCAL == 0 {
                None
            } else {
                let also = rest.version()?;
                Some(Local { also, first: u16::from_be_bytes(rest.array()?), last: u16::from_be_bytes(rest.array()?) })
            };
            let value = if flags & HAS_VALUE == 0 {
                None
            } else {
                let length = usize::try_from(u32::from_be_bytes(rest.array()?)).ok()?;
                Some(Bytes::copy_from_slice(rest.take(length)?))
            };
            let in_step = |local: &Local| 0 < local.first && local.first <= local.last && local.last <= step;
            if flags > (HAS_VALUE | IS_LOCAL) || entries.iter().any(|entry| *entry.name == *name) || !local.as_ref().is_none_or(in_step) {
                return None;
            }
            entries.push(Entry { name: name.into(), base, value, local });
        }
        (rest.0.is_empty() && entries.len() <= MAX_FIELDS).then_some(Self { issued, expires, voyage, entries })
    }
}

/// Takes bytes from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        self.array().map(i64::from_be_bytes).map(Timestamp::from_millis)
    }

    pub(super) fn version(&mut self) -> Option<FieldVersion> {
        self.array().map(u64::from_be_bytes).map(FieldVersion::from_u64)
    }
}
