//! The named values of a session.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{Error, ErrorKind};

/// Longest field name in bytes.
pub const MAX_FIELD_NAME: usize = 255;

/// So many fields are looked through one after the other, which is cheaper than to halve them.
const FEW: usize = 16;

/// Changes with every write of a field; unique per write, so an unchanged version means an unchanged value.
///
/// Positive and below 2^53, so that every engine's JSON keeps it exactly. Zero stands for "absent".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldVersion(u64);

impl FieldVersion {
    /// No such field.
    pub const ABSENT: Self = Self(0);

    /// From a stored number.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number & ((1 << 53) - 1))
    }

    /// The number to store.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// One value with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Which write this is.
    pub version: FieldVersion,
    /// The value's bytes; JSON text by default.
    pub value: Bytes,
}

/// The fields of a session, sorted by name. Clones share until one of them changes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields(Arc<Vec<(Arc<str>, Field)>>);

impl Fields {
    /// No fields. Allocates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(at, _)| (**at).cmp(name))
    }

    /// The field called `name`.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Field> {
        if self.0.len() > FEW {
            return self.find(name).ok().map(|at| &self.0[at].1);
        }
        // Names that begin otherwise are passed over without a comparison, which is a call.
        let first = name.as_bytes().first();
        self.0.iter().find(|(at, _)| at.as_bytes().first() == first && **at == *name).map(|(_, field)| field)
    }

    /// Version of the field called `name`; [`FieldVersion::ABSENT`] when there is none.
    #[must_use]
    pub fn version(&self, name: &str) -> FieldVersion {
        self.get(name).map_or(FieldVersion::ABSENT, |field| field.version)
    }

    /// Puts a field in, or replaces it.
    pub fn set(&mut self, name: Arc<str>, field: Field) {
        let found = self.find(&name);
        let all = Arc::make_mut(&mut self.0);
        match found {
            Ok(at) => all[at].1 = field,
            Err(at) => all.insert(at, (name, field)),
        }
    }

    /// Takes a field out; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        match self.find(name) {
            Ok(at) => {
                Arc::make_mut(&mut self.0).remove(at);
                true
            }
            Err(_) => false,
        }
    }

    /// Takes all fields out.
    pub fn clear(&mut self) {
        self.0 = Arc::default();
    }

    /// Fields in order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Field)> {
        self.0.iter().map(|(name, field)| (name, field))
    }

    /// How many fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all names and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, field)| name.len() + field.value.len()).sum()
    }

    /// Refuses names that not every engine can hold.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for a name over [`MAX_FIELD_NAME`] bytes, [`ErrorKind::Codec`] for an empty one or one with control characters.
    pub fn check_name(name: &str) -> Result<(), Error> {
        if name.len() > MAX_FIELD_NAME {
            let start: String = name.chars().take(32).collect();
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the session key starting {start:?} is {} bytes long; the limit is {MAX_FIELD_NAME}", name.len()),
            ));
        }
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(Error::new(ErrorKind::Codec, "a session key must not be empty or hold control characters"));
        }
        Ok(())
    }
}

impl FromIterator<(Arc<str>, Field)> for Fields {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Field)>>(iter: I) -> Self {
        let mut all: Vec<(Arc<str>, Field)> = iter.into_iter().collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier); // the last one given wins
            }
            same
        });
        Self(Arc::new(all))
    }
}

/// Names and sizes only: values are the user's.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, field)| (name, field.value.len()))).finish()
    }
}
