//! What becomes of local changes once the backend is back: decided from the lifeboat and the stored fields alone.
//!
//! The session remembers in the field [`MARKER`] which voyages were merged, each until its lifeboats have expired:
//! ```text
//! format 1 | floor 8 | ( voyage 16 | step 2 | started 8 | until 8 | count 1 | version 8 * )*
//! ```

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use unstick_core::{Change, FieldChange, FieldVersion, Fields, Timestamp};

use super::manifest::{Entry, Manifest, Reader};

/// The field that remembers. Its bytes are no JSON, so that typed sessions pass it by.
pub(crate) const MARKER: &str = "unstick.lifeboat";

const FORMAT: u8 = 1;

/// The floor of a memory that cannot be read: nothing is merged.
pub(crate) const UNREADABLE: Timestamp = Timestamp::from_millis(i64::MAX);

/// Voyages that are remembered one by one; each is an outage of one client within the lifetime.
const REMEMBERED: usize = 16;

/// The most bytes that all this takes, name included.
pub(super) const MAX_MEMORY: usize = 16 + 1 + 8 + REMEMBERED * (16 + 2 + 8 + 8 + 1 + 8 * VERSIONS);

/// Two values for one field: what the backend has by now, and what the client changed while it was away.
///
/// See [`Lifeboat::field_merged_by`](super::Lifeboat::field_merged_by).
#[non_exhaustive]
pub struct Offer<'a> {
    /// The field.
    pub key: &'a str,
    /// The bytes that the backend has; `None`: it has none.
    pub stored: Option<&'a [u8]>,
    /// The bytes that were carried; `None`: the client removed the value.
    pub carried: Option<&'a [u8]>,
}

/// Names the key and no values.
impl fmt::Debug for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Merges of one voyage whose versions are remembered: more than one only if the answer of the one before was lost.
const VERSIONS: usize = 4;

/// What a field is to hold after an outage in which both sides changed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// What the backend has. The default.
    KeepStored,
    /// What was carried.
    TakeCarried,
    /// Something made of both.
    Take(Bytes),
}

/// Leaves values out.
impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepStored => "KeepStored",
            Self::TakeCarried => "TakeCarried",
            Self::Take(_) => "Take(..)",
        })
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Merge {
    /// There are no local changes.
    Nothing,
    /// All of it was merged before, or has been overtaken by a `clear`.
    Over,
    /// Only a newer release can tell what of it was merged.
    Foreign,
    /// This, as one operation.
    Apply {
        change: Change,
        /// Values that met a newer one.
        conflicts: usize,
    },
}

/// A voyage that was merged up to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Merged {
    voyage: [u8; 16],
    step: u16,
    started: Timestamp,
    until: Timestamp,
    /// The versions of the fields that were written.
    versions: Vec<FieldVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Memory {
    /// Voyages that began no later are over.
    floor: Timestamp,
    merged: Vec<Merged>,
}

impl Memory {
    fn of(fields: &Fields) -> Self {
        let none = Self { floor: Timestamp::ZERO, merged: Vec::new() };
        let Some(field) = fields.get(MARKER) else { return none };
        // What cannot be read is another release's, or the application's: nothing is merged beside it.
        Self::decode(&field.value).unwrap_or(Self { floor: UNREADABLE, merged: Vec::new() })
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let ([FORMAT], floor) = (rest.array()?, rest.time()?) else { return None };
        let mut merged = Vec::new();
        while !rest.0.is_empty() {
            let (voyage, step) = (rest.array()?, u16::from_be_bytes(rest.array()?));
            let (started, until, [count]) = (rest.time()?, rest.time()?, rest.array()?);
            let versions = (0..count).map(|_| rest.version()).collect::<Option<_>>()?;
            merged.push(Merged { voyage, step, started, until, versions });
        }
        Some(Self { floor, merged })
    }

    fn encode(&self) -> Bytes {
        let mut bytes = vec![FORMAT];
        bytes.extend(self.floor.as_millis().to_be_bytes());
        for merged in &self.merged {
            bytes.extend(merged.voyage);
            bytes.extend(merged.step.to_be_bytes());
            bytes.extend(merged.started.as_millis().to_be_bytes());
            bytes.extend(merged.until.as_millis().to_be_bytes());
            bytes.push(u8::try_from(merged.versions.len()).unwrap_or(u8::MAX));
            merged.versions.iter().for_each(|version| bytes.extend(version.as_u64().to_be_bytes()));
        }
        bytes.into()
    }

    /// Remembers one more, and forgets those whose lifeboats open no more.
    fn with(mut self, new: Merged, now: Timestamp) -> Self {
        self.merged.retain(|old| old.voyage != new.voyage && old.until > now);
        self.merged.push(new);
        while self.merged.len() > REMEMBERED {
            let Some((at, oldest)) = self.merged.iter().enumerate().min_by_key(|(_, merged)| merged.started) else { break };
            self.floor = self.floor.max(oldest.started);
            self.merged.remove(at);
        }
        self
    }
}

/// What a `clear` leaves in the marker, so that local changes from before it are not merged after it.
pub(crate) fn marker_of_clear(now: Timestamp) -> FieldChange {
    FieldChange::Set(Memory { floor: now, merged: Vec::new() }.encode())
}

/// Voyages that began no later are not merged into a session with these fields.
pub(crate) fn floor(fields: &Fields) -> Timestamp {
    Memory::of(fields).floor
}

/// Decides. `version`: of the fields that the merge will write. `skew`: how far the nodes' clocks may be apart.
pub(crate) fn merge(
    manifest: &Manifest,
    fields: &Fields,
    version: FieldVersion,
    now: Timestamp,
    skew: Duration,
    decide: impl Fn(&Offer<'_>) -> Decision,
) -> Merge {
    let Some(voyage) = &manifest.voyage else { return Merge::Nothing };
    let memory = Memory::of(fields);
    if memory.floor == UNREADABLE {
        return Merge::Foreign;
    }
    let before = memory.merged.iter().find(|merged| merged.voyage == voyage.id).cloned();
    if voyage.started <= memory.floor || before.as_ref().is_some_and(|before| voyage.step <= before.step) {
        return Merge::Over;
    }
    let mut change = Change::new().expect(MARKER, fields.version(MARKER));
    let mut conflicts = 0;
    for entry in &manifest.entries {
        let Some(delta) = settle(entry, fields, before.as_ref(), &decide, &mut conflicts) else { continue };
        change = change.expect(&entry.name, fields.version(&entry.name));
        change.put(entry.name.clone(), delta);
    }
    let known = before.map(|before| before.versions).unwrap_or_default();
    let versions = std::iter::once(version).chain(known).take(VERSIONS).collect();
    let merged = Merged { voyage: voyage.id, step: voyage.step, started: voyage.started, until: manifest.expires + skew, versions };
    change.put(Arc::from(MARKER), FieldChange::Set(memory.with(merged, now).encode()));
    Merge::Apply { change, conflicts }
}

/// What becomes of one field; `None`: it stays as it is stored.
fn settle(
    entry: &Entry,
    fields: &Fields,
    before: Option<&Merged>,
    decide: impl Fn(&Offer<'_>) -> Decision,
    conflicts: &mut usize,
) -> Option<FieldChange> {
    let local = entry.local?;
    if before.is_some_and(|before| local.last <= before.step) {
        return None; // it was merged then
    }
    let stored = fields.get(&entry.name);
    if stored.map(|field| &field.value) == entry.value.as_ref() {
        return None;
    }
    let carried = || entry.value.clone().map_or(FieldChange::Remove, FieldChange::Set);
    let version = fields.version(&entry.name);
    let is_ours = |ours: FieldVersion| ours != FieldVersion::ABSENT && version == ours;
    // "Absent" comes back when a value is removed, as no other version does: after a part of the voyage was merged into
    // the field, it no longer tells that nobody has been there.
    let is_base = version == entry.base && (version != FieldVersion::ABSENT || before.is_none_or(|before| local.first > before.step));
    if is_base || is_ours(local.also) || before.is_some_and(|before| before.versions.iter().any(|ours| is_ours(*ours))) {
        return Some(carried());
    }
    *conflicts += 1;
    let offer = Offer { key: &entry.name, stored: stored.map(|field| &*field.value), carried: entry.value.as_deref() };
    match decide(&offer) {
        Decision::KeepStored => None,
        Decision::TakeCarried => Some(carried()),
        Decision::Take(value) => Some(FieldChange::Set(value)),
    }
}
