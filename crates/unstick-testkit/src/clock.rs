//! Clocks that tests move, instead of sleeping.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{Runtime, Timestamp};
//! use unstick_testkit::clock::{ManualClock, SkewedClock};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
//! let (here, there) = (Runtime::custom(clock.clone()), Runtime::custom(SkewedClock::ahead(clock.clone(), Duration::from_secs(60))));
//! assert_eq!(there.wall().since(here.wall()), Duration::from_secs(60));
//!
//! let timer = tokio::spawn(here.sleep(Duration::from_secs(3600)));
//! while clock.sleepers() == 0 { tokio::task::yield_now().await }
//! clock.advance(Duration::from_secs(3600));
//! timer.await.unwrap();
//! assert_eq!(here.wall(), Timestamp::from_millis(1_700_003_600_000));
//! # });
//! ```

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;
use unstick_core::{BoxFuture, Runtime, RuntimeOps, Timestamp};

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<State>>);

struct State {
    wall: Timestamp,
    monotonic: Duration,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(Timestamp::system_now())
    }
}

impl ManualClock {
    /// A clock that says `wall`.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { wall, monotonic: Duration::ZERO, sleepers: Vec::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state().wall
    }

    /// Lets time pass: both clocks move, and timers that are due complete.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.wall = state.wall + by;
        state.monotonic += by;
        let now = state.monotonic;
        let (due, later) = std::mem::take(&mut state.sleepers).into_iter().partition(|(at, _)| *at <= now);
        state.sleepers = later;
        drop(state);
        let due: Vec<(Duration, oneshot::Sender<()>)> = due;
        for (_, sleeper) in due {
            let _ = sleeper.send(()); // nobody waits any more: fine
        }
    }

    /// Sets the wall clock, as an operator or a time server does. Timers do not notice.
    pub fn set_wall(&self, wall: Timestamp) {
        self.state().wall = wall;
    }

    /// How many timers are running.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        let mut state = self.state();
        state.sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
        state.sleepers.len()
    }

    /// A runtime with this clock; tasks go to the ambient tokio runtime.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        Runtime::custom(self.clone())
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "ManualClock({} ms, {} sleepers)", state.wall.as_millis(), state.sleepers.len())
    }
}

impl RuntimeOps for ManualClock {
    fn wall(&self) -> Timestamp {
        self.now()
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if duration.is_zero() {
            return Box::pin(async {});
        }
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        let at = state.monotonic + duration;
        state.sleepers.push((at, sender));
        Box::pin(async move {
            let _ = receiver.await; // the clock is gone: time is over
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            drop(handle.spawn(task));
        }
    }
}

/// Another node's clock: the same time, but its wall clock is wrong by a constant.
#[derive(Debug, Clone)]
pub struct SkewedClock {
    clock: ManualClock,
    ahead: Duration,
    behind: Duration,
}

impl SkewedClock {
    /// A node whose wall clock is `skew` ahead of `clock`.
    #[must_use]
    pub fn ahead(clock: ManualClock, skew: Duration) -> Self {
        Self { clock, ahead: skew, behind: Duration::ZERO }
    }

    /// A node whose wall clock is `skew` behind `clock`.
    #[must_use]
    pub fn behind(clock: ManualClock, skew: Duration) -> Self {
        Self { clock, ahead: Duration::ZERO, behind: skew }
    }
}

impl RuntimeOps for SkewedClock {
    fn wall(&self) -> Timestamp {
        self.clock.wall() + self.ahead - self.behind
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.clock.spawn(task);
    }
}

/// The clock by which a store under test refuses late writes.
#[derive(Debug, Clone, Default)]
pub enum TestClock {
    /// The system's: it cannot be moved.
    #[default]
    System,
    /// One that the store was given.
    Manual(ManualClock),
}

impl TestClock {
    /// What the clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::system_now(),
            Self::Manual(clock) => clock.now(),
        }
    }

    /// Moves the clock, if it can be moved; whether it was.
    pub fn advance(&self, by: Duration) -> bool {
        match self {
            Self::System => false,
            Self::Manual(clock) => {
                clock.advance(by);
                true
            }
        }
    }
}
