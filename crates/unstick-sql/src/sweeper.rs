//! Deletes what has expired, in the background, in small steps, from one process at a time.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use unstick_core::{Error, EventKind, Events, Runtime};

/// Rows per statement: short enough that other writers hardly wait.
pub(crate) const BATCH: usize = 500;

/// Statements per round: what is left waits for the next round.
const BATCHES: usize = 100;

/// What is swept.
pub(crate) trait Swept: Send + Sync + 'static {
    /// Whether this process has the right to sweep for `lease` from now.
    fn claim(&self, lease: Duration) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Deletes at most [`BATCH`] rows; returns how many.
    fn sweep_batch(&self) -> impl Future<Output = Result<usize, Error>> + Send;
}

/// Ends the task when dropped.
#[derive(Debug)]
pub(crate) struct Sweeper {
    _stop: oneshot::Sender<()>,
}

/// Starts sweeping about every `interval`. The task holds `swept` only during a round.
pub(crate) fn start(swept: Weak<impl Swept>, interval: Duration, runtime: &Runtime, events: Events) -> Sweeper {
    let (stop, mut stopped) = oneshot::channel();
    let clock = runtime.clone();
    runtime.spawn(Box::pin(async move {
        loop {
            let pause = pin!(clock.sleep(jittered(interval)));
            match select(&mut stopped, pause).await {
                Either::Left(_) => return,
                Either::Right(_) => {}
            }
            let Some(swept) = swept.upgrade() else { return };
            let round = pin!(round(&swept, interval * 2));
            match select(&mut stopped, round).await {
                Either::Left(_) => return,
                Either::Right((Ok(()), _)) => {}
                Either::Right((Err(error), _)) => events.emit(EventKind::SweepFailed, None, error.kind().as_str()),
            }
        }
    }));
    Sweeper { _stop: stop }
}

async fn round(swept: &Arc<impl Swept>, lease: Duration) -> Result<(), Error> {
    if !swept.claim(lease).await? {
        return Ok(());
    }
    for _ in 0..BATCHES {
        if swept.sweep_batch().await? < BATCH {
            break;
        }
    }
    Ok(())
}

/// Between three and five quarters, so that processes started together don't stay together.
fn jittered(interval: Duration) -> Duration {
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
