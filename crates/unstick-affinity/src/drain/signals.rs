//! Signals that begin a drain.

use std::io;

use super::Drain;

impl Drain {
    /// Begins the drain on SIGTERM and on Ctrl-C (Windows: Ctrl-C, Ctrl-Break and the console's closing), and [cuts](Self::cut_now) at
    /// the second. Opt-in, because it is process-wide: from now on, and for as long as the process lives, these signals no longer end it by
    /// themselves, also when the drain is over. Call it once, from where the process is yours.
    ///
    /// A wrapper that passes one signal on twice (a terminal's Ctrl-C to the whole group, and its own) cuts by that.
    ///
    /// The watch ends with the second signal; signals after that do nothing.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    ///
    /// # Panics
    /// Outside a tokio runtime with IO enabled.
    pub fn on_signals(&self) -> io::Result<()> {
        let mut signals = Signals::install()?;
        let drain = self.clone();
        tokio::spawn(async move {
            if signals.next().await {
                drain.begin();
                if signals.next().await {
                    drain.cut_now();
                }
            }
        });
        Ok(())
    }
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 2]);

#[cfg(unix)]
impl Signals {
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?]))
    }

    /// Waits for one; `false` when there will be none.
    async fn next(&mut self) -> bool {
        std::future::poll_fn(|cx| {
            let mut all_over = true;
            for signal in &mut self.0 {
                match signal.poll_recv(cx) {
                    std::task::Poll::Ready(Some(())) => return std::task::Poll::Ready(true),
                    std::task::Poll::Ready(None) => {}
                    std::task::Poll::Pending => all_over = false,
                }
            }
            if all_over { std::task::Poll::Ready(false) } else { std::task::Poll::Pending }
        })
        .await
    }
}

#[cfg(windows)]
struct Signals {
    ctrl_c: tokio::signal::windows::CtrlC,
    ctrl_break: tokio::signal::windows::CtrlBreak,
    ctrl_close: tokio::signal::windows::CtrlClose,
}

#[cfg(windows)]
impl Signals {
    fn install() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
        Ok(Self { ctrl_c: ctrl_c()?, ctrl_break: ctrl_break()?, ctrl_close: ctrl_close()? })
    }

    /// Waits for one; `false` when there will be none.
    async fn next(&mut self) -> bool {
        std::future::poll_fn(|cx| {
            use std::task::Poll;
            let polls = [self.ctrl_c.poll_recv(cx), self.ctrl_break.poll_recv(cx), self.ctrl_close.poll_recv(cx)];
            if polls.contains(&Poll::Ready(Some(()))) {
                Poll::Ready(true)
            } else if polls.contains(&Poll::Pending) {
                Poll::Pending
            } else {
                Poll::Ready(false)
            }
        })
        .await
    }
}
