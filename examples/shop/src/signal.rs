//! Signals that end the shop.

use crate::error::Failure;

/// Waits for signals.
#[derive(Debug)]
pub(crate) struct Terminate {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    interrupt_counts: bool,
}

impl Terminate {
    fn new(interrupt_counts: bool) -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let failed = |error| Failure::start(format!("the signal handlers cannot be installed: {error}."));
            let terminate = signal(SignalKind::terminate()).map_err(failed)?;
            let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
            Ok(Self { terminate, interrupt, interrupt_counts })
        }
        #[cfg(not(unix))]
        Ok(Self { interrupt_counts })
    }

    /// Resolves at the next signal.
    pub(crate) async fn recv(&mut self) {
        #[cfg(unix)]
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => if self.interrupt_counts { return },
            }
        }
        #[cfg(not(unix))]
        if !self.interrupt_counts || tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// SIGTERM and Ctrl-C.
pub(crate) fn terminate() -> Result<Terminate, Failure> {
    Terminate::new(true)
}

/// SIGTERM alone: a terminal sends Ctrl-C to parent and children at once, and the parent drains its children itself.
pub(crate) fn terminate_of_child() -> Result<Terminate, Failure> {
    Terminate::new(false)
}
