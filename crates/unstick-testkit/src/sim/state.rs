//! What the executor knows: tasks, who is woken, timers. Nothing here polls, wakes or drops foreign code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Wake, Waker},
    time::Duration,
};

use unstick_core::BoxFuture;

use crate::rng::Rng;

/// More steps than any schedule needs: a loop that never ends is a failure, not a hang.
const MOST_STEPS: u64 = 2_000_000;

pub(super) struct State {
    rng: Rng,
    /// Whether tasks differ in urgency, or are all chosen alike.
    uneven: bool,
    pub(super) now: Duration,
    tasks: Vec<Slot>,
    /// By number: who was woken first must not matter, as some primitives wake their waiters in an order of chance.
    ready: BTreeSet<usize>,
    timers: BTreeMap<(Duration, u64), Waker>,
    timers_made: u64,
    pub(super) steps: u64,
    pub(super) hash: u64,
    closed: bool,
}

struct Slot {
    future: Option<BoxFuture<'static, ()>>,
    waker: Waker,
    queued: bool,
    done: bool,
    urgency: u64,
}

/// What to do next.
pub(super) enum Next {
    /// Poll this task with this waker; the future is `None` for the one that [`Sim::run`](super::Sim::run) keeps.
    Poll(usize, Waker, Option<BoxFuture<'static, ()>>),
    /// Time has moved: wake these.
    Fire(Vec<Waker>),
    /// Nothing can run, and no timer is set.
    Deadlock,
    /// Too many steps.
    Endless,
}

impl State {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let uneven = rng.once_in(2);
        Self {
            rng,
            uneven,
            now: Duration::ZERO,
            tasks: Vec::new(),
            ready: BTreeSet::new(),
            timers: BTreeMap::new(),
            timers_made: 0,
            steps: 0,
            hash: 0,
            closed: false,
        }
    }

    pub(super) fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    pub(super) fn next(&mut self) -> Next {
        let Some(id) = self.choose() else {
            let Some((&(at, _), _)) = self.timers.first_key_value() else { return Next::Deadlock };
            self.now = self.now.max(at);
            let later = self.timers.split_off(&(self.now, u64::MAX));
            return Next::Fire(std::mem::replace(&mut self.timers, later).into_values().collect());
        };
        self.ready.remove(&id);
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Next::Endless;
        }
        self.hash = (self.hash ^ id as u64 ^ self.now.as_secs().rotate_left(32) ^ u64::from(self.now.subsec_nanos()))
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(23);
        let slot = &mut self.tasks[id];
        slot.queued = false;
        if self.uneven && self.rng.once_in(4) {
            slot.urgency = self.rng.next(); // nobody is kept waiting for ever
        }
        Next::Poll(id, slot.waker.clone(), slot.future.take())
    }

    fn choose(&mut self) -> Option<usize> {
        if self.uneven {
            return self.ready.iter().copied().max_by_key(|id| self.tasks[*id].urgency);
        }
        let nth = self.rng.below(self.ready.len());
        self.ready.iter().nth(nth).copied()
    }

    pub(super) fn put_back(&mut self, id: usize, future: BoxFuture<'static, ()>) {
        self.tasks[id].future = Some(future);
    }

    pub(super) fn finish(&mut self, id: usize) {
        self.tasks[id].done = true;
    }

    fn wake(&mut self, id: usize) {
        let slot = &mut self.tasks[id];
        if !slot.queued && !slot.done {
            slot.queued = true;
            self.ready.insert(id);
        }
    }

    /// The unfinished tasks; none is taken from now on.
    pub(super) fn close(&mut self) -> Vec<BoxFuture<'static, ()>> {
        self.closed = true;
        self.tasks.iter_mut().filter_map(|slot| slot.future.take()).collect()
    }

    /// Sets a timer, and says by what it can be cancelled.
    pub(super) fn arm(&mut self, after: Duration, waker: Waker) -> (Duration, u64) {
        self.timers_made += 1;
        let key = (self.now.saturating_add(after), self.timers_made);
        self.timers.insert(key, waker);
        key
    }

    /// Replaces the waker of a timer; false once it has fired.
    pub(super) fn rearm(&mut self, key: (Duration, u64), waker: &Waker) -> bool {
        self.timers.get_mut(&key).map(|kept| kept.clone_from(waker)).is_some()
    }

    pub(super) fn disarm(&mut self, key: (Duration, u64)) -> Option<Waker> {
        self.timers.remove(&key)
    }
}

pub(super) struct Shared {
    pub(super) seed: u64,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed, state: Mutex::new(State::new(seed)) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a task, woken; `None` stands for a future that is kept elsewhere. A task that comes after the end is dropped.
    pub(super) fn add(self: &Arc<Self>, future: Option<BoxFuture<'static, ()>>) -> usize {
        let mut state = self.state();
        if state.closed {
            drop(state); // before the future is
            return usize::MAX;
        }
        let id = state.tasks.len();
        let waker = Waker::from(Arc::new(TaskWaker { id, shared: Arc::downgrade(self) }));
        let urgency = state.rng.next();
        state.tasks.push(Slot { future, waker, queued: true, done: false, urgency });
        state.ready.insert(id);
        id
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "Sim(seed {}, {:?}, step {})", self.seed, state.now, state.steps)
    }
}

struct TaskWaker {
    id: usize,
    shared: Weak<Shared>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.state().wake(self.id);
        }
    }
}
