//! The shared level as a namespace uses it: within a deadline, and left alone for a moment after it failed.

use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use unstick_core::{Error, ErrorKind, EventKind, Events, OpCtx, OpId, Runtime, Target};

use super::{
    entry::{Nanos, nanos},
    erased::AnyLevel,
    sync::{AtomicU64, Ordering},
};

#[derive(Debug)]
pub(crate) struct LevelSide {
    level: AnyLevel,
    deadline: Duration,
    pause: Nanos,
    /// Zero while it answers.
    down_until: AtomicU64,
    runtime: Runtime,
    events: Events,
    ops: AtomicU64,
    origin: u64,
}

impl LevelSide {
    pub(crate) fn new(level: AnyLevel, deadline: Duration, pause: Duration, runtime: Runtime, events: Events, origin: u64) -> Self {
        let pause = nanos(pause);
        Self { level, deadline, pause, down_until: AtomicU64::new(0), runtime, events, ops: AtomicU64::new(0), origin }
    }

    pub(crate) fn level(&self) -> &AnyLevel {
        &self.level
    }

    /// A new operation.
    pub(crate) fn op(&self) -> OpCtx {
        let number = self.ops.fetch_add(1, Ordering::Relaxed);
        self.op_called(OpId::from_u128(u128::from(self.origin) << 64 | u128::from(number)))
    }

    fn op_called(&self, op_id: OpId) -> OpCtx {
        let now = self.runtime.wall();
        OpCtx { now, deadline: now + self.deadline, op_id }
    }

    /// Whether to ask it: it answers, or has been left alone for long enough.
    pub(crate) fn is_usable(&self) -> bool {
        let down_until = self.down_until.load(Ordering::Relaxed);
        down_until == 0 || nanos(self.runtime.monotonic()) >= down_until
    }

    /// Waits for an answer, for the deadline at most.
    pub(crate) async fn ask<T>(&self, call: impl Future<Output = Result<T, Error>> + Unpin) -> Result<T, Error> {
        let limit = std::pin::pin!(self.runtime.sleep(self.deadline));
        let answer = match select(call, limit).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(Error::new(ErrorKind::Timeout, "no answer from the shared cache level within its deadline")),
        };
        match &answer {
            // a key that many write to at once says nothing about the others
            Err(error) if error.is_backend() && error.kind() != ErrorKind::Contended => {
                let until = nanos(self.runtime.monotonic()).saturating_add(self.pause).max(1);
                if self.down_until.swap(until, Ordering::Relaxed) == 0 {
                    self.events.emit(EventKind::CacheLevelDown, None, error.kind().as_str());
                }
            }
            _ => {
                if self.down_until.load(Ordering::Relaxed) != 0 && self.down_until.swap(0, Ordering::Relaxed) != 0 {
                    self.events.emit(EventKind::CacheLevelHealed, None, "");
                }
            }
        }
        answer
    }

    /// Invalidates all of `targets`; whether the level has confirmed it.
    pub(crate) async fn invalidate(&self, op_id: OpId, targets: &[Target]) -> bool {
        if !self.is_usable() {
            return false;
        }
        let op = self.op_called(op_id);
        let each = targets.iter().map(|target| self.ask(self.level.invalidate(op, target)));
        join_all(each).await.iter().all(Result::is_ok)
    }
}
