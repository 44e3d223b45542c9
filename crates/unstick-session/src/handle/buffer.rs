//! Buffered changes, allocated by the first of them: most requests make none.

use std::ops::{Deref, DerefMut};

use unstick_core::Change;

#[derive(Debug, Default)]
pub(super) struct Buffer(Option<Box<Change>>);

const EMPTY: &Change = &Change { clear: false, fields: Vec::new(), preconditions: Vec::new(), renewal: None, max_size: 0 };

impl Buffer {
    /// Takes everything out.
    pub(super) fn take(&mut self) -> Change {
        self.0.take().map(|change| *change).unwrap_or_default()
    }
}

impl From<Change> for Buffer {
    fn from(change: Change) -> Self {
        Self(Some(Box::new(change)))
    }
}

impl Deref for Buffer {
    type Target = Change;

    fn deref(&self) -> &Change {
        self.0.as_deref().unwrap_or(EMPTY)
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Change {
        self.0.get_or_insert_default()
    }
}
