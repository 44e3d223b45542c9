//! Which operation goes wrong how, and how often each was asked for.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};
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

/// How an operation goes wrong.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// Fails; nothing reaches the store.
    FailBefore(ErrorKind),
    /// Reaches the store, and then fails: with `Timeout` or `Interrupted` the outcome is unknown to the caller.
    FailAfter(ErrorKind),
    /// Never answers, and never reaches the store.
    Hang,
    /// Never answers, but has reached the store.
    HangAfter,
    /// Is held until the semaphore has a permit, and only then reaches the store, even if the caller has left: the operation goes on in
    /// a task of its own. The store must refuse it if its deadline has passed by then. (`update_locked` borrows from its caller, and
    /// is given up with it.)
    Late(Arc<Semaphore>),
    /// Reaches the store at once, but the answer is held until the semaphore has a permit.
    AnswerLate(Arc<Semaphore>),
    /// Reaches the store after so long, by the clock of [`FaultStore::with_runtime`](super::FaultStore::with_runtime).
    Delay(Duration),
}

#[derive(Debug, Default)]
struct Script {
    next: HashMap<Op, VecDeque<Fault>>,
    on: HashMap<Op, Fault>,
    all: Option<Fault>,
}

/// Sets faults. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Script>>);

impl Faults {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens to every operation from now on; `None`: nothing, and everything told before is forgotten.
    pub fn set(&self, fault: Option<Fault>) {
        *self.script() = Script { all: fault, ..Script::default() };
    }

    /// What happens to every call of `op` from now on.
    pub fn on(&self, op: Op, fault: Fault) {
        self.script().on.insert(op, fault);
    }

    /// What happens to the next call of `op`; told several times, to those after it.
    pub fn next(&self, op: Op, fault: Fault) {
        self.script().next.entry(op).or_default().push_back(fault);
    }

    pub(super) fn take(&self, op: Op) -> Option<Fault> {
        let mut script = self.script();
        let next = script.next.get_mut(&op).and_then(VecDeque::pop_front);
        next.or_else(|| script.on.get(&op).cloned()).or_else(|| script.all.clone())
    }
}

#[derive(Debug, Default)]
struct Counts {
    begun: HashMap<Op, usize>,
    reached: usize,
}

/// Counts operations. Clones are the same counter.
#[derive(Debug, Clone)]
pub struct Calls(Arc<watch::Sender<Counts>>);

impl Default for Calls {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Counts::default())))
    }
}

impl Calls {
    /// Operations asked for.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.borrow().begun.values().sum()
    }

    /// Calls of `op` asked for.
    #[must_use]
    pub fn of(&self, op: Op) -> usize {
        self.0.borrow().begun.get(&op).copied().unwrap_or(0)
    }

    /// Operations that the store itself has completed.
    #[must_use]
    pub fn reached(&self) -> usize {
        self.0.borrow().reached
    }

    /// Waits until `op` was asked for `count` times in all.
    pub async fn until_asked(&self, op: Op, count: usize) {
        // The sender is held by `self`: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|counts| counts.begun.get(&op).is_some_and(|begun| *begun >= count)).await;
    }

    /// Waits until the store itself has completed `count` operations in all.
    pub async fn until_reached(&self, count: usize) {
        let _ = self.0.subscribe().wait_for(|counts| counts.reached >= count).await;
    }

    pub(super) fn begin(&self, op: Op) {
        self.0.send_modify(|counts| *counts.begun.entry(op).or_default() += 1);
    }

    pub(super) fn reach(&self) {
        self.0.send_modify(|counts| counts.reached += 1);
    }
}
