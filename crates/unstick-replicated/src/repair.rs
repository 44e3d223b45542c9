//! Copying what a store has missed, in the background.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use unstick_core::{ErrorKind, EventKind, OpCtx, OpId, RecordKey, Store};

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

/// What is missed of one session.
#[derive(Debug, Default, Clone, Copy)]
struct Debt {
    /// By which stores.
    by: [bool; 2],
    /// How often it was noticed.
    times: u64,
}

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<RecordKey, Debt>,
    /// The last one that was tried: the next round goes on behind it, so that one which fails is not in the way of others.
    tried: Option<RecordKey>,
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
            let debt = state.keys.entry(key).or_default();
            debt.by[slot as usize] = true;
            debt.times += 1;
        }
    }

    pub(crate) fn has(&self, key: RecordKey, slot: Slot) -> bool {
        slot != Slot::Witness && self.state().keys.get(&key).is_some_and(|debt| debt.by[slot as usize])
    }

    pub(crate) fn len(&self) -> usize {
        self.state().keys.len()
    }

    fn round(&self) -> Vec<(RecordKey, Debt)> {
        let state = self.state();
        let after = state.tried.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = state.keys.range((after, Bound::Unbounded));
        let again = state.tried.into_iter().flat_map(|tried| state.keys.range(..=tried));
        rest.chain(again).map(|(key, debt)| (*key, *debt)).take(ROUND).collect()
    }

    fn is_tried(&self, key: RecordKey) {
        self.state().tried = Some(key);
    }

    fn is_mended(&self, key: RecordKey, debt: Debt) {
        let mut state = self.state();
        if state.keys.get(&key).is_none_or(|now| now.times != debt.times) {
            return; // something else was missed meanwhile
        }
        state.keys.remove(&key);
        for (copied, missed) in std::iter::zip(&mut state.copied, debt.by) {
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

    /// Copies what is missed, until a store is away.
    pub(crate) async fn mend_round(&self) {
        for (key, debt) in self.missed.round() {
            let now = self.runtime.wall();
            let op = OpCtx { now, deadline: now + self.patience * 4, op_id: OpId::from_u128(self.numbers.next()) };
            let agreed = self.agree_by(&op, key, self.clock(&op), Slot::DATA, true).await;
            self.missed.is_tried(key);
            match agreed {
                Ok(agreed) if Slot::DATA.into_iter().all(|slot| agreed.answers.held(slot).is_some()) => self.missed.is_mended(key, debt),
                // Of this session alone it says nothing about the store: the next one is tried at once.
                Err(unsettled) if matches!(unsettled.error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownFormat) => {}
                _ => return,
            }
        }
    }
}

async fn mend_once<A: Store, B: Store, W: Store>(pair: &Weak<Inner<A, B, W>>) -> bool {
    let Some(pair) = pair.upgrade() else { return true };
    pair.mend_round().await;
    let Some(copied) = pair.missed.ends() else { return false };
    for slot in Slot::DATA {
        let count = copied[slot as usize];
        if count > 0 {
            let detail = pair.told(slot, &format!("{count} sessions copied")).to_string();
            pair.events.emit(EventKind::BackendHealed, None, &detail);
        }
    }
    true
}
