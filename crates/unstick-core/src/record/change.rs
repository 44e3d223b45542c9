//! What a request wants done to its session, as one atomic operation.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::FieldVersion;
use crate::{SecretHash, Timestamp};

/// A new value, or none.
#[derive(Clone, PartialEq, Eq)]
pub enum FieldChange {
    /// Set to these bytes.
    Set(Bytes),
    /// Taken out.
    Remove,
}

impl FieldChange {
    /// Bytes of the new value; zero for a removal.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Set(value) => value.len(),
            Self::Remove => 0,
        }
    }

    /// Whether it leaves no bytes behind.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(value) => write!(f, "Set({} bytes)", value.len()),
            Self::Remove => f.write_str("Remove"),
        }
    }
}

/// What must hold of a field for the whole change to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    /// Which field.
    pub name: Arc<str>,
    /// The version it must have; [`FieldVersion::ABSENT`] when it must not exist.
    pub version: FieldVersion,
}

/// Moves the idle deadline; never back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// The new idle deadline.
    pub idle_deadline: Timestamp,
    /// The issue time of the credential that the client gets with it.
    pub issued: Timestamp,
}

/// Replaces the secret: `renew_id` with a grace for the old one, or `promote` without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Hash of the new secret.
    pub secret: SecretHash,
    /// Until when the old secret is served; `None`: dead at once.
    pub grace_until: Option<Timestamp>,
    /// The principal after a promotion; `None` keeps the present one.
    pub principal: Option<Arc<str>>,
    /// The idle deadline signed into the new credential.
    pub idle_deadline: Timestamp,
    /// A re-issue of the old secret at or after this time may reach the client behind the rotation, and is remembered.
    pub overlap_since: Timestamp,
}

/// Field deltas with optional preconditions. Merged by the backend, not by whole-record replacement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// All fields are dropped before the deltas are applied.
    pub clear: bool,
    /// Deltas, at most one per name.
    pub fields: Vec<(Arc<str>, FieldChange)>,
    /// All must hold, else nothing is applied.
    pub preconditions: Vec<Precondition>,
    /// Renewal that rides along.
    pub renewal: Option<Renewal>,
    /// Limit on names and values together, in bytes, after the change; zero: none. Engines may count their own encoding.
    pub max_size: usize,
}

impl Change {
    /// Nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the setting of a field.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Bytes>) -> Self {
        self.put(name.into(), FieldChange::Set(value.into()));
        self
    }

    /// Adds the removal of a field.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.put(name.into(), FieldChange::Remove);
        self
    }

    /// Adds a precondition.
    #[must_use]
    pub fn expect(mut self, name: &str, version: FieldVersion) -> Self {
        self.preconditions.push(Precondition { name: name.into(), version });
        self
    }

    /// Puts a delta in, replacing an earlier one of the same name.
    pub fn put(&mut self, name: Arc<str>, change: FieldChange) {
        match self.fields.iter_mut().find(|(at, _)| *at == name) {
            Some((_, old)) => *old = change,
            None => self.fields.push((name, change)),
        }
    }

    /// The delta of a field, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FieldChange> {
        self.fields.iter().find(|(at, _)| **at == *name).map(|(_, change)| change)
    }

    /// Whether fields stay as they are (a renewal may still be due).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.clear && self.fields.is_empty()
    }
}
