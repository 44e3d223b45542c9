//! Which operation fails how, and when what is held is let go.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{oneshot, watch};
use unstick_core::{Error, ErrorKind, Runtime};

/// What a test says to a wrapper with a `script`, whatever it wraps.
macro_rules! controls {
    ($op:ty) => {
        /// The next call of `op` that has no fault yet gets this one.
        pub fn next(&self, op: $op, fault: $crate::faults::Fault) {
            self.script.next(op, fault);
        }

        /// Every call of `op` gets this fault, unless [`next`](Self::next) says otherwise.
        pub fn always(&self, op: $op, fault: $crate::faults::Fault) {
            self.script.always(op, fault);
        }

        /// Every call of every operation gets this fault.
        pub fn always_all(&self, fault: $crate::faults::Fault) {
            <$op>::ALL.into_iter().for_each(|op| self.script.always(op, fault));
        }

        /// No more faults. What is held stays held until it is released.
        pub fn heal(&self) {
            self.script.heal();
        }

        /// Lets everything go that is held now.
        pub fn release(&self) {
            self.script.release();
        }

        /// Waits until at least `count` operations are held.
        pub async fn until_held(&self, count: usize) {
            self.script.until_held(count).await;
        }

        /// How often `op` was called.
        #[must_use]
        pub fn calls(&self, op: $op) -> u64 {
            self.script.calls(op)
        }

        /// Starts counting again.
        pub fn forget_calls(&self) {
            self.script.forget_calls();
        }
    };
}
pub(super) use controls;

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
    /// It does not reach what is behind before it is [released](super::FaultStore::release), and never when the caller gives up before.
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
pub(super) struct Script<O> {
    state: Mutex<State<O>>,
    released: watch::Sender<u64>,
    held: watch::Sender<usize>,
}

#[derive(Debug)]
struct State<O> {
    next: HashMap<O, VecDeque<Fault>>,
    always: HashMap<O, Fault>,
    calls: HashMap<O, u64>,
}

impl<O: Copy + Eq + Hash + Send + 'static> Script<O> {
    pub(super) fn new() -> Self {
        let state = State { next: HashMap::new(), always: HashMap::new(), calls: HashMap::new() };
        Self { state: Mutex::new(state), released: watch::Sender::new(0), held: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next(&self, op: O, fault: Fault) {
        self.state().next.entry(op).or_default().push_back(fault);
    }

    pub(super) fn always(&self, op: O, fault: Fault) {
        self.state().always.insert(op, fault);
    }

    pub(super) fn heal(&self) {
        let mut state = self.state();
        state.next.clear();
        state.always.clear();
    }

    pub(super) fn calls(&self, op: O) -> u64 {
        self.state().calls.get(&op).copied().unwrap_or(0)
    }

    pub(super) fn forget_calls(&self) {
        self.state().calls.clear();
    }

    /// Counts a call and takes its fault.
    pub(super) fn begin(&self, op: O) -> Option<Fault> {
        let mut state = self.state();
        *state.calls.entry(op).or_default() += 1;
        let next = state.next.get_mut(&op).and_then(VecDeque::pop_front);
        next.or_else(|| state.always.get(&op).copied())
    }

    pub(super) fn release(&self) {
        self.released.send_modify(|round| *round += 1);
    }

    /// Waits for the next release. Counted as held from this call on, until the future completes or is dropped.
    pub(super) fn hold(&self) -> impl Future<Output = ()> + Send + use<O> {
        let mut released = self.released.subscribe();
        let held = Held::new(self.held.clone());
        async move {
            let _held = held;
            let _ = released.changed().await; // the script is gone: nobody holds any more
        }
    }

    /// Runs an operation that borrows from its caller.
    pub(super) async fn here<T>(
        &self,
        runtime: &Runtime,
        fault: Option<Fault>,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match fault {
            None => call.await,
            Some(Fault::FailBefore(kind)) => Err(failed(kind)),
            Some(Fault::FailAfter(kind)) => {
                call.await?;
                Err(failed(kind))
            }
            Some(Fault::Hang | Fault::ArriveLate) => {
                self.hold().await;
                call.await
            }
            Some(Fault::AnswerLate) => {
                // Held only once it is done, so that whoever waits for that can rely on it.
                let answer = call.await;
                self.hold().await;
                answer
            }
            Some(Fault::Delay(duration)) => {
                runtime.sleep(duration).await;
                call.await
            }
        }
    }

    /// Runs an operation that can travel on its own, which it does when it is to arrive although its caller has given up.
    pub(super) async fn travel<T: Send + 'static>(
        &self,
        runtime: &Runtime,
        op: O,
        call: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let fault = self.begin(op);
        if fault != Some(Fault::ArriveLate) {
            return self.here(runtime, fault, call).await;
        }
        let (sender, receiver) = oneshot::channel();
        let held = self.hold();
        runtime.spawn(Box::pin(async move {
            held.await;
            drop(sender.send(call.await)); // the caller may have given up
        }));
        receiver.await.unwrap_or_else(|_| Err(failed(ErrorKind::Interrupted)))
    }

    pub(super) async fn until_held(&self, count: usize) {
        let _ = self.held.subscribe().wait_for(|held| *held >= count).await;
    }
}

pub(super) fn failed(kind: ErrorKind) -> Error {
    Error::new(kind, "a fault that the test asked for")
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
