//! Which operation fails how, and when what is held is let go.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use unstick_core::ErrorKind;

/// An operation of a store or its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// `Store::create`.
    Create,
    /// `Store::load`.
    Load,
    /// `Store::apply`.
    Apply,
    /// `Store::rotate`.
    Rotate,
    /// `Store::end`.
    End,
    /// `Store::sweep`.
    Sweep,
    /// `Store::update_locked`.
    UpdateLocked,
    /// `PrincipalIndex::list`.
    List,
    /// `PrincipalIndex::end_others`.
    EndOthers,
    /// `PrincipalIndex::reserve`.
    Reserve,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Load,
        Self::Apply,
        Self::Rotate,
        Self::End,
        Self::Sweep,
        Self::UpdateLocked,
        Self::List,
        Self::EndOthers,
        Self::Reserve,
    ];
}

/// What happens to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It does not reach the store; the caller is told so.
    FailBefore(ErrorKind),
    /// It is done, but the caller gets an error: with `Timeout` or `Interrupted` the outcome is unknown to it.
    FailAfter(ErrorKind),
    /// It does not reach the store before [`FaultStore::release`](super::FaultStore::release), and never when the caller gives up before.
    Hang,
    /// It is on its way, and reaches the store at [`FaultStore::release`](super::FaultStore::release), also when the caller has given
    /// up: the store must refuse it if its deadline has passed by then. `update_locked` borrows from its caller and hangs instead.
    ArriveLate,
    /// It is done, but the answer is held until [`FaultStore::release`](super::FaultStore::release).
    AnswerLate,
    /// It is held up for so long, by the clock given to [`FaultStore::with_runtime`](super::FaultStore::with_runtime).
    Delay(Duration),
}

/// What was told, and what happened.
#[derive(Debug)]
pub(super) struct Script {
    state: Mutex<State>,
    released: watch::Sender<u64>,
    held: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    next: HashMap<Op, VecDeque<Fault>>,
    always: HashMap<Op, Fault>,
    calls: HashMap<Op, u64>,
}

impl Script {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), released: watch::Sender::new(0), held: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next(&self, op: Op, fault: Fault) {
        self.state().next.entry(op).or_default().push_back(fault);
    }

    pub(super) fn always(&self, op: Op, fault: Fault) {
        self.state().always.insert(op, fault);
    }

    pub(super) fn heal(&self) {
        let mut state = self.state();
        state.next.clear();
        state.always.clear();
    }

    pub(super) fn calls(&self, op: Op) -> u64 {
        self.state().calls.get(&op).copied().unwrap_or(0)
    }

    pub(super) fn forget_calls(&self) {
        self.state().calls.clear();
    }

    /// Counts a call and takes its fault.
    pub(super) fn begin(&self, op: Op) -> Option<Fault> {
        let mut state = self.state();
        *state.calls.entry(op).or_default() += 1;
        let next = state.next.get_mut(&op).and_then(VecDeque::pop_front);
        next.or_else(|| state.always.get(&op).copied())
    }

    pub(super) fn release(&self) {
        self.released.send_modify(|round| *round += 1);
    }

    /// Waits for the next release. Counted as held from this call on, until the future completes or is dropped.
    pub(super) fn hold(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut released = self.released.subscribe();
        let held = Held::new(self.held.clone());
        async move {
            let _held = held;
            let _ = released.changed().await; // the script is gone: nobody holds any more
        }
    }

    pub(super) async fn until_held(&self, count: usize) {
        let _ = self.held.subscribe().wait_for(|held| *held >= count).await;
    }
}

/// One operation that is held.
struct Held(watch::Sender<usize>);

impl Held {
    fn new(held: watch::Sender<usize>) -> Self {
        held.send_modify(|count| *count += 1);
        Self(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
