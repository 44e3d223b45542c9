//! Processor time that a process has used, from Linux' scheduler: it tells more than the clock when the machine is busy with other things.

use std::{fs, process, time::Duration};

/// Of this process and of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) client: Duration,
    pub(crate) server: Duration,
}

impl Used {
    /// Until now.
    pub(crate) fn by(server: Option<u32>) -> Result<Self, String> {
        Ok(Self { client: of(process::id())?, server: of(server.ok_or("the server is gone")?)? })
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { client: self.client.saturating_sub(earlier.client), server: self.server.saturating_sub(earlier.server) }
    }
}

/// All threads together. Threads that ended are missing; ours live as long as the runtime.
fn of(pid: u32) -> Result<Duration, String> {
    let failed = |error: std::io::Error| format!("the scheduler's figures cannot be read: {error}");
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).map_err(failed)? {
        let text = fs::read_to_string(task.map_err(failed)?.path().join("schedstat")).map_err(failed)?;
        nanoseconds += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}
