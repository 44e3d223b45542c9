//! Which sessions this node knows to exist, so that a loss can be told: another store, or one that forgets.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use unstick_core::{Event, SessionTag};

/// Sessions remembered.
const MAX_RECENT: usize = 1024;
/// Losses remembered, so that one session counts once.
const MAX_LOST: usize = 128;
/// A credential this young came from a store that had the session just now.
const YOUNG: Duration = Duration::from_secs(60);
/// How long a store's failure explains losses.
const TROUBLE: Duration = Duration::from_secs(300);

/// What a lost session tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// This node's store had it.
    Dropped,
    /// Another node's had it.
    Elsewhere,
    /// Nothing for certain.
    Unclear,
}

#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Written by which instance, and when.
    recent: VecDeque<(SessionTag, u64, Duration)>,
    lost: VecDeque<SessionTag>,
    trouble: Option<Duration>,
}

fn instance(event: &Event<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    event.instance.hash(&mut hasher);
    hasher.finish()
}

fn push<T>(queue: &mut VecDeque<T>, max: usize, one: T) {
    if queue.len() == max {
        queue.pop_front();
    }
    queue.push_back(one);
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under this lock; and if it did, every state in it is a valid one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instance's store has taken the session.
    pub(super) fn written(&self, event: &Event<'_>, now: Duration) {
        if let Some(tag) = event.session {
            push(&mut self.state().recent, MAX_RECENT, (tag, instance(event), now));
        }
    }

    /// The store fails, comes back, or evicts.
    pub(super) fn trouble(&self, now: Duration) {
        self.state().trouble = Some(now);
    }

    pub(super) fn lost(&self, event: &Event<'_>, now: Duration) -> Loss {
        let Some(tag) = event.session else { return Loss::Unclear };
        let mut state = self.state();
        if state.lost.contains(&tag) {
            return Loss::Unclear;
        }
        push(&mut state.lost, MAX_LOST, tag);
        if state.trouble.is_some_and(|at| now.saturating_sub(at) < TROUBLE) {
            return Loss::Unclear;
        }
        let known = state.recent.iter().rev().find(|(known, _, at)| *known == tag && now.saturating_sub(*at) < YOUNG);
        // What was forgotten for want of room may have been written here.
        let is_complete =
            state.recent.len() < MAX_RECENT || state.recent.front().is_some_and(|(_, _, at)| now.saturating_sub(*at) >= YOUNG);
        match known {
            Some((_, by, _)) if *by == instance(event) => {
                state.trouble = Some(now);
                Loss::Dropped
            }
            Some(_) => Loss::Elsewhere,
            None if event.detail == Event::JUST_ISSUED && is_complete => Loss::Elsewhere,
            None => Loss::Unclear,
        }
    }
}
