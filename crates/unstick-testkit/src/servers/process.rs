//! One process of a server, which never outlives this one.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    StartError,
    error::tail,
    program::{self, Account},
    wait::{PATIENCE, poll},
};

/// Runs the server, ends when it ends, and kills it with its children once standard input ends: that happens when the process
/// that started it is gone, even if it was killed itself. The server is the last of its family to be killed: its end is the watcher's. The kernel hangs up on the group of a stopped server then: that is ignored. The first argument is the log; the server's process id is printed.
const KEEPER: &str = r#"trap '' HUP
exec 3<&0 4>&1 </dev/null >>"$1" 2>&1
shift
"$@" 3<&- 4>&- &
server=$!
(
    exec 4>&-
    read -r line <&3
    kill -STOP "$server"
    family=$server
    for stat in /proc/[0-9]*/stat; do
        read -r pid name state parent rest <"$stat" || continue
        if [ "$parent" = "$server" ]; then family="$pid $family"; fi
    done 2>/dev/null
    kill -KILL $family
) &
watcher=$!
exec 3<&-
echo "$server" >&4
exec 4>&-
wait "$server"
status=$?
kill -KILL "$watcher"
exit "$status""#;

/// How to start a process.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) account: Option<Account>,
    /// Variables added to the environment.
    pub(crate) env: Vec<(&'static str, OsString)>,
    /// Working directory; the log is written here, too.
    pub(crate) dir: PathBuf,
    /// The signal that asks the server to end at once and in order.
    pub(crate) terminate: &'static str,
}

#[derive(Debug)]
struct Running {
    keeper: Child,
    pid: u32,
    is_stopped: bool,
}

/// A process that can be stopped, killed and started again.
#[derive(Debug)]
pub(crate) struct Process {
    spec: Spec,
    running: Mutex<Option<Running>>,
}

impl Process {
    pub(crate) fn new(spec: Spec) -> Self {
        Self { spec, running: Mutex::new(None) }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.spec.dir.join("log")
    }

    /// Starts the process unless it runs.
    pub(crate) fn launch(&self) -> Result<(), StartError> {
        if self.is_alive() {
            return Ok(());
        }
        let mut keeper = Command::new("sh");
        // In a group of its own: a Ctrl-C for the tests is not for the keeper.
        keeper.args(["-c", KEEPER, "sh"]).arg(self.log()).args(command_line(&self.spec)?).current_dir(&self.spec.dir).process_group(0);
        keeper.envs(self.spec.env.iter().cloned());
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = keeper.spawn().map_err(StartError::io("running sh"))?;
        let mut line = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(StartError::io("reading a process id"))?;
        }
        let pid = line.trim().parse().map_err(|_| StartError::failed("the server's process id is unknown"))?;
        *self.running() = Some(Running { keeper, pid, is_stopped: false });
        Ok(())
    }

    /// Waits until `ready` has an answer.
    pub(crate) fn await_ready<T>(&self, mut ready: impl FnMut() -> Option<T>) -> Result<T, StartError> {
        let name = self.spec.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let outcome = poll(PATIENCE, || match ready() {
            Some(answer) => Some(Ok(answer)),
            None if !self.is_alive() => Some(Err(StartError::logged(&format!("{name} ended at its start"), &self.log()))),
            None => None,
        });
        outcome.unwrap_or_else(|| Err(StartError::logged(&format!("{name} was not ready after {PATIENCE:?}"), &self.log())))
    }

    /// Starts the process on the port that it had. Another process may sit there for a moment, so a lost race is run again.
    pub(crate) fn relaunch<T>(&self, mut ready: impl FnMut() -> Option<T>) -> Result<T, StartError> {
        let outcome = poll(PATIENCE, || {
            let outcome = self.launch().and_then(|()| self.await_ready(&mut ready));
            if outcome.is_err() && self.lost_its_port() { None } else { Some(outcome) }
        });
        outcome.unwrap_or_else(|| Err(StartError::logged("the server's port is taken", &self.log())))
    }

    /// Whether the log says that another process has the port.
    pub(crate) fn lost_its_port(&self) -> bool {
        !self.is_alive() && tail(&self.log()).to_ascii_lowercase().contains("already in use")
    }

    pub(crate) fn is_alive(&self) -> bool {
        let mut running = self.running();
        let is_alive = running.as_mut().is_some_and(|running| matches!(running.keeper.try_wait(), Ok(None)));
        if !is_alive {
            *running = None;
        }
        is_alive
    }

    /// Whether the process runs and is not stopped.
    pub(crate) fn is_running(&self) -> bool {
        self.is_alive() && self.running().as_ref().is_some_and(|running| !running.is_stopped)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        if self.is_alive() { self.running().as_ref().map(|running| running.pid) } else { None }
    }

    pub(crate) fn stop(&self) {
        let pid = self.expect_pid("stop");
        // The parent first: it starts no more children then.
        signal("STOP", &[pid]);
        signal("STOP", &children(pid));
        self.note_stopped(true);
    }

    pub(crate) fn cont(&self) {
        let pid = self.expect_pid("continue");
        signal("CONT", &children(pid));
        signal("CONT", &[pid]);
        self.note_stopped(false);
    }

    /// SIGKILL to the process and its children; returns when they are gone.
    pub(crate) fn kill(&self) {
        let Some(pid) = self.pid() else { return };
        signal("STOP", &[pid]);
        let family: Vec<u32> = [pid].into_iter().chain(children(pid)).collect();
        signal("KILL", &family);
        self.await_end();
        let are_gone = poll(PATIENCE, || family.iter().all(|pid| !exists(*pid)).then_some(()));
        assert!(are_gone.is_some(), "{:?} survived SIGKILL", self.spec.program);
    }

    /// Sends the parent alone a signal that means something to this server, if it runs.
    pub(crate) fn signal(&self, name: &str) {
        signal(name, self.pid().as_slice());
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) fn terminate(&self) {
        let Some(pid) = self.pid() else { return };
        signal(self.spec.terminate, &[pid]);
        self.await_end();
    }

    fn expect_pid(&self, what: &str) -> u32 {
        self.pid().unwrap_or_else(|| panic!("cannot {what} {:?}: it does not run", self.spec.program))
    }

    fn note_stopped(&self, is_stopped: bool) {
        if let Some(running) = self.running().as_mut() {
            running.is_stopped = is_stopped;
        }
    }

    fn await_end(&self) {
        let has_ended = poll(PATIENCE, || (!self.is_alive()).then_some(()));
        assert!(has_ended.is_some(), "{:?} did not end within {PATIENCE:?}", self.spec.program);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return self.kill();
        }
        // What the end of the pipe brings about is enough here: a panic on top of another would abort.
        if let Some(mut running) = self.running().take() {
            drop(running.keeper.stdin.take());
            let _ = running.keeper.wait();
        }
    }
}

fn command_line(spec: &Spec) -> Result<Vec<OsString>, StartError> {
    let mut line = Vec::new();
    if let Some(Account { uid, gid }) = spec.account {
        // Replaces itself by the server, so that the process id stays the same.
        line.push(program::need("setpriv")?.into_os_string());
        line.extend([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned(), "--".to_owned()].map(OsString::from));
    }
    line.push(spec.program.clone().into_os_string());
    line.extend(spec.args.iter().cloned());
    Ok(line)
}

/// Runs a program to its end, as the server would be run.
pub(crate) fn run(spec: &Spec, what: &str) -> Result<String, StartError> {
    let line = command_line(spec)?;
    let output =
        Command::new(&line[0]).args(&line[1..]).envs(spec.env.iter().cloned()).current_dir(&spec.dir).stdin(Stdio::null()).output();
    let output = output.map_err(StartError::io("running a program of the server"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Err(StartError::failed(format!(
        "{what} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )))
}

/// Processes that are gone already are no concern.
fn signal(name: &str, pids: &[u32]) {
    if !pids.is_empty() {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let _ = Command::new("sh").args(["-c", &format!("kill -{name} {} 2>/dev/null", pids.join(" "))]).status();
    }
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, a closing parenthesis included.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

/// A process that has ended but is not collected yet does not count, unless threads of it are still about, and with them its sockets.
fn exists(pid: u32) -> bool {
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X') || threads() > 1)
}

fn children(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent)).collect()
}
