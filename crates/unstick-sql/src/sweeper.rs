//! Deletes what has expired, in the background, in small steps, from one process at a time.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use unstick_core::{ConfigError, Error, EventKind, Events, OpCtx, OpId};

use crate::{engine::Engine, flow};

/// Rows per statement: short enough that other writers hardly wait.
const BATCH: usize = 500;

/// Statements per round: what is left waits for the next round.
const BATCHES: usize = 100;

/// A statement is given up after this long.
const BUDGET: Duration = Duration::from_secs(10);

/// The name of one store in the table that says who sweeps.
pub(crate) fn owner() -> Result<String, ConfigError> {
    let mut owner = [0; 16];
    getrandom::fill(&mut owner).map_err(|_| ConfigError::new("the operating system gave no randomness"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(owner)))
}

fn op(engine: &impl Engine) -> OpCtx {
    let now = engine.runtime().wall();
    OpCtx { now, deadline: now + BUDGET, op_id: OpId::from_u128(0) }
}

/// Ends the task when dropped.
#[derive(Debug)]
pub(crate) struct Sweeper {
    _stop: oneshot::Sender<()>,
}

/// Starts sweeping about every `interval`, unless that is zero. The task holds the engine only during a round.
pub(crate) fn start(engine: &Arc<impl Engine>, interval: Duration, events: Events) -> Option<Arc<Sweeper>> {
    if interval.is_zero() {
        return None;
    }
    let (stop, mut stopped) = oneshot::channel();
    let (clock, swept) = (engine.runtime().clone(), Arc::downgrade(engine));
    engine.runtime().spawn(Box::pin(async move {
        loop {
            let pause = pin!(clock.sleep(jittered(interval)));
            match select(&mut stopped, pause).await {
                Either::Left(_) => return,
                Either::Right(_) => {}
            }
            let Some(swept) = swept.upgrade() else { return };
            let round = pin!(round(&*swept, interval * 2));
            match select(&mut stopped, round).await {
                Either::Left(_) => return,
                Either::Right((Ok(()), _)) => {}
                Either::Right((Err(error), _)) => events.emit(EventKind::SweepFailed, None, error.kind().as_str()),
            }
        }
    }));
    Some(Arc::new(Sweeper { _stop: stop }))
}

async fn round(engine: &impl Engine, lease: Duration) -> Result<(), Error> {
    if !flow::claim(engine, &op(engine), lease).await? {
        return Ok(());
    }
    for _ in 0..BATCHES {
        if flow::sweep(engine, &op(engine), BATCH).await? < BATCH {
            break;
        }
    }
    Ok(())
}

/// Between three and five quarters, so that processes started together don't stay together.
pub(crate) fn jittered(interval: Duration) -> Duration {
    let mut random = [0; 1];
    // without randomness all wait the same time, which is harmless
    let _ = getrandom::fill(&mut random);
    interval * 3 / 4 + interval * u32::from(random[0]) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_bounded() {
        for _ in 0..100 {
            let pause = jittered(Duration::from_secs(60));
            assert!(pause >= Duration::from_secs(45) && pause < Duration::from_secs(75), "{pause:?}");
        }
    }
}
