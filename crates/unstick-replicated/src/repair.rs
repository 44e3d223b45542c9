//! Copying what a store has missed, in the background.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use unstick_core::{EventKind, OpCtx, OpId, RecordKey, Store};

use crate::{inner::Inner, verdict::Slot};

/// So many sessions are remembered by a node; the others are copied when they are used.
const MOST: usize = 10_000;
/// So many are copied in a round.
const ROUND: usize = 100;
/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(1);

/// Sessions that a store has missed, as far as this node knows.
#[derive(Debug, Default)]
pub(crate) struct Missed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By which stores.
    keys: HashMap<RecordKey, [bool; 2]>,
    /// Copied since the queue was last empty, by store.
    copied: [u64; 2],
    is_mending: bool,
}

impl Missed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The witness is not missed: it is only there for what the other two lack.
    pub(crate) fn add(&self, key: RecordKey, slot: Slot) {
        let mut state = self.state();
        if slot != Slot::Witness && (state.keys.len() < MOST || state.keys.contains_key(&key)) {
            state.keys.entry(key).or_default()[slot as usize] = true;
        }
    }

    pub(crate) fn has(&self, key: RecordKey, slot: Slot) -> bool {
        slot != Slot::Witness && self.state().keys.get(&key).is_some_and(|by| by[slot as usize])
    }

    pub(crate) fn len(&self) -> usize {
        self.state().keys.len()
    }

    fn round(&self) -> Vec<RecordKey> {
        self.state().keys.keys().copied().take(ROUND).collect()
    }

    fn is_mended(&self, key: RecordKey) {
        let mut state = self.state();
        let by = state.keys.remove(&key).unwrap_or_default();
        for (copied, missed) in std::iter::zip(&mut state.copied, by) {
            *copied += u64::from(missed);
        }
    }

    /// Whether there is something to do that nobody does.
    fn begins(&self) -> bool {
        let mut state = self.state();
        let begins = !state.is_mending && !state.keys.is_empty();
        state.is_mending |= begins;
        begins
    }

    /// What was copied, once there is nothing left to do.
    fn ends(&self) -> Option<[u64; 2]> {
        let mut state = self.state();
        if !state.keys.is_empty() {
            return None;
        }
        state.is_mending = false;
        Some(std::mem::take(&mut state.copied))
    }
}

impl<A: Store, B: Store, W: Store> Inner<A, B, W> {
    /// Starts repairing if there is something to repair. The task ends with the work, or with the pair.
    pub(crate) fn mend(self: &Arc<Self>) {
        if self.missed.begins() {
            let (pair, runtime) = (Arc::downgrade(self), self.runtime.clone());
            let task = async move {
                loop {
                    runtime.sleep(PAUSE).await;
                    if mend_once(&pair).await {
                        return;
                    }
                }
            };
            self.runtime.spawn(Box::pin(task));
        }
    }

    /// Copies what is missed; whether the other store has taken all of a round.
    pub(crate) async fn mend_round(&self) -> bool {
        for key in self.missed.round() {
            let now = self.runtime.wall();
            let op = OpCtx { now, deadline: now + self.patience * 4, op_id: OpId::from_u128(self.numbers.next()) };
            let mended = match self.agree_by(&op, key, self.clock(&op), Slot::DATA, true).await {
                Ok(agreed) => Slot::DATA.into_iter().all(|slot| agreed.answers.held(slot).is_some()),
                Err(_) => false,
            };
            if !mended {
                return false; // still away
            }
            self.missed.is_mended(key);
        }
        true
    }
}

async fn mend_once<A: Store, B: Store, W: Store>(pair: &Weak<Inner<A, B, W>>) -> bool {
    let Some(pair) = pair.upgrade() else { return true };
    pair.mend_round().await;
    let Some(copied) = pair.missed.ends() else { return false };
    for slot in Slot::DATA {
        let count = copied[slot as usize];
        if count > 0 {
            pair.tell(EventKind::BackendHealed, slot, &format!("{count} sessions copied"));
        }
    }
    true
}
