//! What an invalidation is to those who cannot know its keys: hashes, and a name that makes applying it twice the same as once.
//!
//! Nodes keep sequences by a [`Print`], clients carry [`Mark`]s in their cookies.

use std::sync::Arc;

use unstick_core::Target;

/// The hash of a key or tag, the same on every node. Two of them may collide: one is then invalidated with the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Print {
    Key(u64),
    Tag(u64),
    All,
}

impl Print {
    pub(crate) fn of(target: &Target) -> Self {
        match target {
            Target::Key(key) => Self::Key(hash(&key.0)),
            Target::Tag(tag) => Self::Tag(hash(&tag.0)),
            _ => Self::All,
        }
    }
}

pub(crate) fn hash(text: &Arc<str>) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// Names an invalidation: who made it, and its number there. A node that has applied it once does not do so again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MarkId {
    /// Random per node and start.
    pub(crate) origin: u64,
    /// Consecutive there.
    pub(crate) number: u64,
}

/// An invalidation as a client carries it to the next node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) id: MarkId,
    /// What was invalidated.
    pub(crate) prints: Arc<[Print]>,
    /// The shared level has not confirmed it: its value may be stale.
    pub(crate) level_pending: bool,
    /// The bus has not confirmed it: processes may hold a stale value for current, until its end.
    pub(crate) bus_pending: bool,
}

impl Mark {
    /// Somewhere a stale value may last for as long as values are kept.
    pub(crate) const fn is_pending(&self) -> bool {
        self.level_pending || self.bus_pending
    }
}
