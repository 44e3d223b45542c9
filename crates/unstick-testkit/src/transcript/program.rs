//! A program in the background, whose lines are read as they come.

use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    /// Lines that were compared already.
    pub(super) seen: usize,
}

impl Program {
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (out, err) = (child.stdout.take().map(|out| read(out, &lines)), child.stderr.take().map(|err| read(err, &lines)));
        Ok(Self { child, lines, readers: out.into_iter().chain(err).collect(), seen: 0 })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed since.
    pub(super) fn unseen(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(self.seen..).unwrap_or_default().to_vec()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits until all that it printed was read. Call when it has ended.
    pub(super) fn close(&mut self) {
        for reader in self.readers.drain(..) {
            // A reader does nothing that could panic.
            let _ = reader.join();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(from: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            line.clear();
        }
    })
}
