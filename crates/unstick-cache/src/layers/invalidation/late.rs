//! Invalidations that are repeated some time later, because nobody knows when the source is done with what it was asked for.
//!
//! One task for all of a layer's requests, so that an outage in which every request fails costs little.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use unstick_core::{PendingGuard, Target};

use crate::Namespace;

/// More than so many are everything.
const MOST: usize = 1024;
/// So many go into one notice.
const PART: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Late {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Due at the next turn but one, so that it waits at least as long as it should.
    young: HashSet<Target>,
    /// Due at the next turn.
    old: HashSet<Target>,
    is_running: bool,
    /// While something is to be repeated, the process should not end.
    pending: Option<PendingGuard>,
}

impl State {
    fn add(&mut self, targets: &[Target]) {
        if self.young.contains(&Target::All) {
            return;
        }
        self.young.extend(targets.iter().cloned());
        if self.young.len() > MOST {
            self.young = HashSet::from([Target::All]);
        }
    }

    /// What is due; `None` when nothing is left, and the turns end.
    fn turn(&mut self) -> Option<HashSet<Target>> {
        let due = mem::replace(&mut self.old, mem::take(&mut self.young));
        self.is_running = !(due.is_empty() && self.old.is_empty());
        self.is_running.then_some(due)
    }

    /// What was due is done.
    fn done(&mut self) {
        if self.young.is_empty() && self.old.is_empty() {
            self.pending = None;
        }
    }
}

impl Late {
    /// Invalidates `targets` after `settle`, before twice that time.
    pub(super) fn add(self: &Arc<Self>, namespace: &Namespace, settle: Duration, targets: &[Target]) {
        if settle.is_zero() || targets.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.add(targets);
        state.pending.get_or_insert_with(|| namespace.shared.pending.enter());
        if !mem::replace(&mut state.is_running, true) {
            drop(state);
            let turns = Turns { late: self.clone(), is_over: false };
            namespace.shared.runtime.spawn(Box::pin(turns.run(namespace.clone(), settle)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task.
struct Turns {
    late: Arc<Late>,
    is_over: bool,
}

impl Turns {
    async fn run(mut self, namespace: Namespace, settle: Duration) {
        loop {
            namespace.shared.runtime.sleep(settle).await;
            let Some(due) = self.late.lock().turn() else { break };
            let due: Vec<Target> = due.into_iter().collect();
            for part in due.chunks(PART) {
                _ = namespace.invalidate(part.iter().cloned()).await;
            }
            self.late.lock().done();
        }
        self.is_over = true;
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        // its executor is gone, or was never there: another one may take over
        if !self.is_over {
            let mut state = self.late.lock();
            (state.is_running, state.pending) = (false, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use unstick_core::TagKey;

    use super::*;

    fn tag(number: usize) -> Target {
        Target::Tag(TagKey::from(&*format!("shop:{number}")))
    }

    #[test]
    fn what_is_added_waits_for_two_turns_and_then_the_turns_end() {
        let mut state = State { is_running: true, ..State::default() };
        state.add(&[tag(1), tag(1)]);
        assert_eq!(state.turn(), Some(HashSet::new()), "it may have come a moment ago");
        state.add(&[tag(2)]);
        assert_eq!(state.turn(), Some(HashSet::from([tag(1)])));
        assert_eq!(state.turn(), Some(HashSet::from([tag(2)])));
        assert_eq!((state.turn(), state.is_running), (None, false));
    }

    #[test]
    fn too_many_are_everything() {
        let mut state = State::default();
        for number in 0..=MOST {
            state.add(&[tag(number)]);
        }
        assert_eq!(state.young, HashSet::from([Target::All]));
        state.add(&[tag(0)]);
        assert_eq!(state.young.len(), 1);
    }
}
