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

#[derive(Debug, Default)]
pub(crate) struct Distrust {
    /// So that the usual case takes no lock.
    count: AtomicU64,
    prints: Mutex<HashMap<Print, OpId>>,
}

impl Distrust {
    /// Too many are replaced by everything.
    pub(crate) fn add(&self, print: Print, op_id: OpId) {
        let mut prints = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        if prints.len() >= MOST && !prints.contains_key(&print) {
            prints.clear();
            prints.insert(Print::All, op_id);
        } else {
            prints.insert(print, op_id);
        }
        self.count.store(prints.len() as u64, Ordering::SeqCst);
    }

    /// The invalidation to be confirmed before the level is trusted for `print`.
    pub(crate) fn of(&self, print: Print) -> Option<OpId> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.prints.lock().unwrap_or_else(PoisonError::into_inner).get(&print).copied()
    }

    /// The level has confirmed it; a later invalidation of the same stays.
    pub(crate) fn confirmed(&self, print: Print, op_id: OpId) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut prints = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        if prints.get(&print) == Some(&op_id) {
            prints.remove(&print);
        }
        self.count.store(prints.len() as u64, Ordering::SeqCst);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.prints.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
