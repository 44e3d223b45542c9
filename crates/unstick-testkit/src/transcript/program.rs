//! A program in the background, whose lines are read as they come.

use std::{
    io::{self, BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
    /// Lines that were compared already.
    pub(super) seen: usize,
}

impl Program {
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        // In a group of its own, with all that a shell starts for it.
        command.process_group(0).stdin(Stdio::null());
        // Output and errors in one pipe, as in a terminal: in the order in which they are printed.
        let (printed, end) = io::pipe()?;
        let child = command.stdout(end.try_clone()?).stderr(end).spawn()?;
        // Its ends of the pipe; the program has its own.
        drop(command);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let reader = read(printed, &lines);
        Ok(Self { child, lines, reader, seen: 0 })
    }

    /// Sends a signal to it and to all that it started.
    pub(super) fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        // It may have ended by itself.
        let _ = Command::new("kill").args([name, "--", &group]).stderr(Stdio::null()).status();
    }

    /// What it printed since.
    pub(super) fn unseen(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(self.seen..).unwrap_or_default().to_vec()
    }

    /// The code that it ended with, unless it ended well, by a signal, or not at all. 143 is what a shell says of the signal to terminate.
    pub(super) fn failure(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten().and_then(|status| status.code()).filter(|code| ![0, 143].contains(code))
    }

    /// Whether it has ended and all that it printed was read.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some()) && self.reader.is_finished()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal("-KILL");
        // Nobody is left to be told of an error.
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
