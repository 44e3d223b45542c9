//! Which invalidations this node has applied, so that none takes effect twice: bounded, the oldest are forgotten.

use std::{collections::HashSet, mem, sync::PoisonError};

use super::{mark::MarkId, sync::Mutex};

/// Of each of the two generations.
const MOST: usize = 1 << 15;

#[derive(Debug, Default)]
pub(crate) struct Applied(Mutex<Sets>);

#[derive(Debug, Default)]
struct Sets {
    current: HashSet<MarkId>,
    previous: HashSet<MarkId>,
}

impl Applied {
    pub(crate) fn contains(&self, id: MarkId) -> bool {
        let sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sets.current.contains(&id) || sets.previous.contains(&id)
    }

    /// To be called once it has taken effect, not before: who finds it here relies on that.
    pub(crate) fn insert(&self, id: MarkId) {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.current.len() >= MOST {
            sets.previous = mem::take(&mut sets.current);
        }
        sets.current.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_and_a_million_take_no_more_room() {
        let applied = Applied::default();
        let id = |number| MarkId { origin: number % 7, number };
        for number in 0..1_000_000 {
            applied.insert(id(number));
        }
        assert!((1_000_000 - MOST as u64..1_000_000).all(|number| applied.contains(id(number))));
        assert!(!applied.contains(id(0)) && !applied.contains(id(1_000_000)));
        let sets = applied.0.lock().unwrap();
        assert!(sets.current.len() <= MOST && sets.previous.len() <= MOST);
    }
}
