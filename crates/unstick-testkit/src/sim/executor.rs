use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::sync::oneshot;
use unstick_core::{Runtime, Timestamp};

use super::{
    Gate, Node, YieldPoint,
    state::{Next, Shared},
};

/// A simulation; owns the tasks, which are dropped with it. See the [module docs](super).
#[derive(Debug)]
pub struct Sim {
    handle: Handle,
}

/// How a simulation went: equal for equal seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    /// How many times a task was polled.
    pub steps: u64,
    /// Stands for the order in which they were.
    pub hash: u64,
}

impl Sim {
    /// A simulation whose order of steps is a function of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { handle: Handle(Shared::new(seed)) }
    }

    /// What tasks use.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Clocks, timers and tasks of a node whose clocks are right.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        self.handle.runtime()
    }

    /// How it went so far.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let state = self.handle.0.state();
        Trace { steps: state.steps, hash: state.hash }
    }

    /// Runs until `future` is complete. Other tasks stay where they are, and go on with the next run.
    ///
    /// # Panics
    /// With the seed, when nothing can run any more (a deadlock) or after two million steps. A task's panic is passed on,
    /// after the seed was printed.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let shared = &self.handle.0;
        let _seed = PrintSeed(shared.seed);
        let mut future = pin!(future);
        let main = shared.add(None);
        loop {
            let next = shared.state().next();
            match next {
                Next::Poll(id, waker, None) if id == main => {
                    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        shared.state().finish(id);
                        return output;
                    }
                }
                Next::Poll(id, waker, Some(mut task)) => match task.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(()) => shared.state().finish(id),
                    Poll::Pending => shared.state().put_back(id, task),
                },
                Next::Poll(_, _, None) => {} // woken after its end
                Next::Fire(wakers) => wakers.into_iter().for_each(std::task::Waker::wake),
                Next::Deadlock => panic!("deadlock: nothing can run and no timer is set, seed {}", shared.seed),
                Next::Endless => panic!("no end in sight after {} steps, seed {}", shared.state().steps, shared.seed),
            }
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let tasks = self.handle.0.state().close();
        drop(tasks); // not under the lock: their destructors may wake others
    }
}

struct PrintSeed(u64);

impl Drop for PrintSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the simulation with seed {} panicked", self.0);
        }
    }
}

/// A simulation as its tasks see it. Cheap to clone.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Shared>);

impl Handle {
    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Virtual time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.0.state().now
    }

    /// A number below `bound`, from the simulation's own generator.
    ///
    /// # Panics
    /// When `bound` is zero.
    #[must_use]
    pub fn below(&self, bound: usize) -> usize {
        assert!(bound > 0, "nothing is below zero");
        self.0.state().rng().below(bound)
    }

    /// True once in `n` times.
    #[must_use]
    pub fn once_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Clocks, timers and tasks of a node whose clocks are right.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        self.node(Timestamp::from_millis(1_700_000_000_000), Duration::ZERO)
    }

    /// A node whose wall clock is wrong by up to an hour, and whose monotonic clock started anywhere.
    #[must_use]
    pub fn skewed_runtime(&self) -> Runtime {
        let (wall, monotonic) = (self.below(7_200_000) as u64, self.below(86_400_000) as u64);
        let first = Timestamp::from_millis(1_700_000_000_000 - 3_600_000);
        self.node(first + Duration::from_millis(wall), Duration::from_millis(monotonic))
    }

    /// A node whose clocks showed these times when the simulation started.
    #[must_use]
    pub fn node(&self, wall: Timestamp, monotonic: Duration) -> Runtime {
        Runtime::custom(Node::new(self.0.clone(), wall, monotonic))
    }

    /// Lets others run, or not: as the schedule has it.
    pub fn yield_point(&self) -> YieldPoint {
        YieldPoint::default()
    }

    /// Zero to `most` [yield points](Self::yield_point).
    pub async fn yield_some(&self, most: usize) {
        for _ in 0..self.below(most + 1) {
            self.yield_point().await;
        }
    }

    /// Completes after virtual time.
    pub async fn sleep(&self, duration: Duration) {
        self.runtime().sleep(duration).await;
    }

    /// A closed gate.
    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate::default()
    }

    /// Runs a task, and hands back what it returns. A task that is not awaited runs all the same.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let (done, outcome) = oneshot::channel();
        self.0.add(Some(Box::pin(async move {
            let _ = done.send(future.await); // nobody waits for it: fine
        })));
        Task(outcome)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A task's outcome, once awaited.
///
/// # Panics
/// When the simulation was dropped before the task was done.
#[derive(Debug)]
#[must_use = "a task that is not awaited may not have run when the schedule ends"]
pub struct Task<T>(oneshot::Receiver<T>);

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(output) => Poll::Ready(output),
            Err(_) => panic!("the task was dropped with its simulation"),
        }
    }
}
