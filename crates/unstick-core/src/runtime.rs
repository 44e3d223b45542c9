//! Clocks, timers and background tasks, passed in rather than reached for, so that tests move time instead of sleeping.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{Runtime, RuntimeOps, BoxFuture, Timestamp};
//!
//! /// A clock that stands still.
//! #[derive(Debug)]
//! struct Frozen;
//! impl RuntimeOps for Frozen {
//!     fn wall(&self) -> Timestamp { Timestamp::from_millis(42) }
//!     fn monotonic(&self) -> Duration { Duration::ZERO }
//!     fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> { Box::pin(std::future::pending()) }
//!     fn spawn(&self, _: BoxFuture<'static, ()>) {}
//! }
//! let runtime = Runtime::custom(Frozen);
//! assert_eq!(runtime.wall(), Timestamp::from_millis(42));
//! ```

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::Timestamp;

/// A boxed, sendable future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a foreign runtime, or a test's clock, implements. See the [module docs](self).
pub trait RuntimeOps: fmt::Debug + Send + Sync + 'static {
    /// Wall-clock time; may jump.
    fn wall(&self) -> Timestamp;
    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;
    /// Completes after `duration` of monotonic time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// Runs `task` to its end in the background.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// Clocks, timers and tasks. Cheap to clone.
///
/// [`Runtime::tokio`] is the default; it allocates nothing for a timer.
#[derive(Clone)]
pub struct Runtime(Kind);

#[derive(Clone)]
enum Kind {
    Tokio { start: Instant },
    Custom(Arc<dyn RuntimeOps>),
}

impl Runtime {
    /// System clocks and the ambient tokio runtime.
    #[must_use]
    pub fn tokio() -> Self {
        Self(Kind::Tokio { start: Instant::now() })
    }

    /// Anything else: another executor, or a clock that a test moves.
    pub fn custom(ops: impl RuntimeOps) -> Self {
        Self(Kind::Custom(Arc::new(ops)))
    }

    /// Wall-clock time.
    #[must_use]
    #[inline]
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            Kind::Tokio { .. } => Timestamp::system_now(),
            Kind::Custom(ops) => ops.wall(),
        }
    }

    /// Time since an arbitrary start; never goes back.
    #[must_use]
    #[inline]
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Kind::Tokio { start } => start.elapsed(),
            Kind::Custom(ops) => ops.monotonic(),
        }
    }

    /// Completes after `duration`, counted from the first poll.
    ///
    /// # Panics
    /// On [`Runtime::tokio`], when polled outside a tokio runtime with its timer enabled.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the timer.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        match &self.0 {
            Kind::Tokio { .. } => Sleep::Unarmed { duration },
            Kind::Custom(ops) => Sleep::Boxed { timer: ops.sleep(duration) },
        }
    }

    /// Runs `task` to its end in the background. Outside a tokio runtime (a process that is shutting down) the task is dropped.
    pub fn spawn(&self, task: BoxFuture<'static, ()>) {
        match &self.0 {
            Kind::Tokio { .. } => {
                if let Ok(handle) = tokio::runtime::Handle::try_current() {
                    drop(handle.spawn(task));
                }
            }
            Kind::Custom(ops) => ops.spawn(task),
        }
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self::tokio()
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tokio { .. } => f.write_str("Runtime(tokio)"),
            Kind::Custom(ops) => f.debug_tuple("Runtime").field(ops).finish(),
        }
    }
}

pin_project_lite::pin_project! {
    /// Future of [`Runtime::sleep`]. The timer is armed at the first poll and lives in place.
    #[project = SleepProj]
    #[must_use = "futures do nothing unless polled"]
    pub enum Sleep {
        #[doc(hidden)]
        Unarmed { duration: Duration },
        #[doc(hidden)]
        Tokio { #[pin] timer: tokio::time::Sleep },
        #[doc(hidden)]
        Boxed { timer: BoxFuture<'static, ()> },
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let SleepProj::Unarmed { duration } = self.as_mut().project() {
            let timer = tokio::time::sleep(*duration);
            self.set(Self::Tokio { timer });
        }
        match self.project() {
            SleepProj::Tokio { timer } => timer.poll(cx),
            SleepProj::Boxed { timer } => timer.as_mut().poll(cx),
            SleepProj::Unarmed { .. } => Poll::Pending,
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sleep")
    }
}
