//! What the shared level cannot be trusted for: invalidations that it has not confirmed.
//!
//! Whoever needs such a key next has the level confirm the invalidation first, under the same operation's name: however
//! many nodes do so, values that came in between stay.

use std::{collections::HashMap, sync::PoisonError};

use unstick_core::OpId;

use super::{
    mark::Print,
    sync::{AtomicU64, Mutex, Ordering},
};

pub(crate) const MOST: usize = 8192;
/// Of one key or tag; more of them become one of their own.
const MOST_OF_ONE: usize = 4;

/// An invalidation that the level may not have heard of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unheard {
    /// Made here, just now: once the level has heard of it, all before it are done, too.
    New(OpId),
    /// Made elsewhere. The level may have carried it out long ago, which says nothing of others.
    Known(OpId),
}

#[derive(Debug, Default)]
pub(crate) struct Distrust {
    /// So that the usual case takes no lock.
    count: AtomicU64,
    /// Never without an operation.
    prints: Mutex<HashMap<Print, Vec<OpId>>>,
}

impl Distrust {
    /// Too many are replaced by everything, under `fresh`, an operation of which nobody has heard.
    pub(crate) fn add(&self, print: Print, unheard: Unheard, fresh: impl FnOnce() -> OpId) {
        let mut prints = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        if prints.len() >= MOST && !prints.contains_key(&print) {
            prints.clear();
            prints.insert(Print::All, vec![fresh()]);
        } else {
            let ops = prints.entry(print).or_default();
            match unheard {
                Unheard::New(op_id) => *ops = vec![op_id],
                Unheard::Known(op_id) if ops.contains(&op_id) => {}
                Unheard::Known(op_id) if ops.len() < MOST_OF_ONE => ops.push(op_id),
                Unheard::Known(_) => *ops = vec![fresh()],
            }
        }
        self.count.store(prints.len() as u64, Ordering::SeqCst);
    }

    /// The invalidation to be confirmed before the level is trusted for `print`. There may be another one behind it.
    pub(crate) fn of(&self, print: Print) -> Option<OpId> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.prints.lock().unwrap_or_else(PoisonError::into_inner).get(&print)?.first().copied()
    }

    /// Whether this one is waited for.
    pub(crate) fn awaits(&self, print: Print, op_id: OpId) -> bool {
        self.count.load(Ordering::SeqCst) != 0
            && self.prints.lock().unwrap_or_else(PoisonError::into_inner).get(&print).is_some_and(|ops| ops.contains(&op_id))
    }

    /// The level has confirmed it; other invalidations of the same stay.
    pub(crate) fn confirmed(&self, print: Print, op_id: OpId) {
        let mut prints = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ops) = prints.get_mut(&print) {
            ops.retain(|op| *op != op_id);
            if ops.is_empty() {
                prints.remove(&print);
            }
        }
        self.count.store(prints.len() as u64, Ordering::SeqCst);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.prints.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
