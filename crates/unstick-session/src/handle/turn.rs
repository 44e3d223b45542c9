//! One trip to the backend at a time per request, so that clones of a handle cannot lose each other's answers.

use std::sync::Arc;

use tokio::sync::{Notify, futures::OwnedNotified};
use unstick_core::ErrorKind;

use super::{Session, state::State};
use crate::{SessionError, deadline::within};

/// Whether a trip is under way, and who waits for its end.
#[derive(Debug, Default)]
pub(super) enum Trip {
    #[default]
    None,
    UnderWay,
    Awaited(Arc<Notify>),
}

impl State {
    /// Takes the turn, or tells what to wait for.
    pub(super) fn take_turn(&mut self) -> Option<OwnedNotified> {
        let waiters = match &self.trip {
            Trip::None => {
                self.trip = Trip::UnderWay;
                return None;
            }
            Trip::UnderWay => Arc::new(Notify::new()),
            Trip::Awaited(waiters) => waiters.clone(),
        };
        self.trip = Trip::Awaited(waiters.clone());
        // Made under the lock, so that the end of the trip cannot be missed.
        Some(waiters.notified_owned())
    }
}

/// Lets the others go on when a trip is over, or was dropped.
pub(super) struct Turn<'a>(pub(super) &'a Session);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Trip::Awaited(waiters) = std::mem::take(&mut self.0.state().trip) {
            waiters.notify_waiters();
        }
    }
}

impl Session {
    pub(super) async fn turn(&self) -> Result<Turn<'_>, SessionError> {
        loop {
            let Some(end) = self.state().take_turn() else { return Ok(Turn(self)) };
            self.wait(end).await?;
        }
    }

    /// Waits for the end of a trip; not for ever, as the future that makes it may be kept without being polled.
    pub(super) async fn wait(&self, end: OwnedNotified) -> Result<(), SessionError> {
        let env = &self.0.shared.env;
        let end = async {
            end.await;
            Ok(())
        };
        within(env, env.deadline, end).await.map_err(|_| {
            SessionError::new(ErrorKind::Contended, "another operation of the same request kept the session until the deadline")
        })
    }
}
