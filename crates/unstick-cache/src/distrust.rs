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

const MOST: usize = 8192;

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

    /// The level has confirmed it; a later invalidation of the same stays. Whether this was the one that was waited for.
    pub(crate) fn confirmed(&self, print: Print, op_id: OpId) -> bool {
        if self.count.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let mut prints = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = prints.get(&print) == Some(&op_id);
        if is_it {
            prints.remove(&print);
        }
        self.count.store(prints.len() as u64, Ordering::SeqCst);
        is_it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_become_everything() {
        let distrust = Distrust::default();
        assert_eq!(distrust.of(Print::Key(1)), None);
        for number in 0..1_000_000 {
            distrust.add(Print::Key(number), OpId::from_u128(number.into()));
            assert!(distrust.of(Print::Key(number)).is_some() || distrust.of(Print::All).is_some(), "{number} is lost");
        }
        assert!(distrust.of(Print::Key(0)).is_none() && distrust.of(Print::All).is_some(), "the first is among everything");
        assert!(distrust.prints.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn a_confirmation_takes_away_what_it_confirms_and_nothing_later() {
        let (distrust, tag, op) = (Distrust::default(), Print::Tag(7), OpId::from_u128);
        distrust.add(tag, op(1));
        distrust.add(tag, op(2));
        distrust.add(Print::Key(7), op(1));
        distrust.confirmed(tag, op(1));
        assert_eq!(distrust.of(tag), Some(op(2)));
        distrust.confirmed(tag, op(2));
        assert_eq!((distrust.of(tag), distrust.of(Print::Key(7))), (None, Some(op(1))));
    }
}
