//! In the background: copying what a store has missed, and asking one that failed whether it answers again.

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
/// Between two questions to a store that failed, after some that grew to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

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
    is_asking: bool,
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

    /// Whether nobody asks those that failed.
    fn begins_to_ask(&self) -> bool {
        !std::mem::replace(&mut self.state().is_asking, true)
    }

    /// Whether there is nobody left to ask: looked up under the lock, so that one which fails meanwhile is not forgotten.
    fn ends_asking(&self, is_any_down: impl FnOnce() -> bool) -> bool {
        let mut state = self.state();
        state.is_asking = is_any_down();
        !state.is_asking
    }
}

impl<A: Store, B: Store, W: Store> Inner<A, B, W> {
    /// Starts repairing if there is something to repair, and asking if somebody failed. Each task ends with its work, or with the pair.
    pub(crate) fn mend(self: &Arc<Self>) {
        if self.is_any_down() && self.missed.begins_to_ask() {
            let (pair, runtime) = (Arc::downgrade(self), self.runtime.clone());
            let task = async move {
                let mut pause = PAUSE;
                loop {
                    runtime.sleep(pause).await;
                    let Some(pair) = pair.upgrade() else { return };
                    pair.ask_again().await;
                    if pair.missed.ends_asking(|| pair.is_any_down()) {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            };
            self.runtime.spawn(Box::pin(task));
        }
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

    fn is_any_down(&self) -> bool {
        self.slots().iter().any(|slot| self.health[*slot as usize].availability.is_down())
    }

    /// Asks the stores that failed for a session that nobody has: a witness is asked for nothing while the other two are well, and would
    /// be told as down for ever.
    async fn ask_again(&self) {
        for slot in self.slots().iter().filter(|slot| self.health[**slot as usize].availability.is_down()) {
            let now = self.runtime.wall();
            let op = OpCtx { now, deadline: now + self.patience, op_id: OpId::from_u128(self.numbers.next()) };
            let mut nobody = [0; 32];
            nobody[..16].copy_from_slice(&self.numbers.next().to_be_bytes());
            _ = self.read(&op, RecordKey::from_bytes(nobody), *slot, self.patience).await; // noted by whoever asks
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
