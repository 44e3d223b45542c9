//! The real program, and what it writes.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use unstick_testkit::servers::poll;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// One sale at a time is enough for a small machine.
static ONE: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks again and again until there is an answer.
pub(crate) fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    poll(PATIENCE, ask).unwrap_or_else(|| panic!("still waiting after {PATIENCE:?}: {what}"))
}

pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-flash-sale"));
    command.args(args).stdin(Stdio::null());
    command
}

/// A sale that is not left behind.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sale that is over.
#[derive(Debug)]
pub(crate) struct Sale {
    pub(crate) code: Option<i32>,
    pub(crate) printed: String,
    /// On standard error.
    pub(crate) said: String,
    pub(crate) report: Value,
    pub(crate) html: String,
}

impl Sale {
    /// Holds one and reads what it wrote.
    pub(crate) fn hold(args: &[&str]) -> Self {
        Self::hold_with(args, &[])
    }

    /// With these variables in its environment.
    pub(crate) fn hold_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let mut command = program(args);
        command.arg("--out").arg(folder.path()).envs(variables.iter().copied());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let done = child.wait_with_output().unwrap();
        let printed = String::from_utf8(done.stdout).unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let report = serde_json::from_str(&read("report.json")).unwrap_or_else(|_| panic!("{printed}\n{said}"));
        Self { code: done.status.code(), printed, said, report, html: read("report.html") }
    }

    /// What the report says of a mode.
    pub(crate) fn run(&self, mode: &str) -> &Value {
        let runs = self.report["runs"].as_array().unwrap();
        runs.iter().find(|run| run["mode"] == mode).unwrap_or_else(|| panic!("no {mode}"))
    }

    pub(crate) fn number(&self, mode: &str, name: &str) -> f64 {
        self.run(mode)["summary"][name].as_f64().unwrap_or_else(|| panic!("{mode}: {name}"))
    }

    /// Unstick kept everything and served everybody, although nodes were killed on which people had been.
    pub(crate) fn assert_nothing_lost(&self) {
        let run = self.run("unstick");
        assert_eq!(run["has_lost"], false, "{}", self.printed);
        assert_eq!(self.code, Some(0), "{}{}", self.printed, self.said);
        for name in ["logouts", "carts_lost", "carts_grown", "notes_stale", "strangers", "failed_otherwise"] {
            assert_eq!(self.number("unstick", name), 0.0, "{name}: {}", self.printed);
        }
        assert_eq!(self.number("unstick", "continuity"), 100.0);
        // A history without these proves nothing.
        for name in ["expected", "carts", "orders", "notes_read", "notes_hit"] {
            assert!(self.number("unstick", name) > 0.0, "{name}: {}", self.printed);
        }
        assert_eq!(self.number("unstick", "orders_whole"), self.number("unstick", "orders"), "{}", self.printed);
        let recoveries = run["summary"]["recoveries"].as_array().unwrap();
        assert_eq!(recoveries.len(), 2);
        let sum = |name: &str| recoveries.iter().map(|one| one[name].as_u64().unwrap()).sum::<u64>();
        assert!(sum("people") > 0, "{recoveries:?}");
        assert_eq!((sum("recovered"), sum("logged_out")), (sum("people"), 0), "{recoveries:?}");
        let kinds: Vec<_> = run["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["open", "unpin", "scale-out", "kill", "scale-out", "kill", "deploy"]);
    }

    /// No node was farther than a tenth from the mean in any full window after each scale-out, and there were such windows.
    pub(crate) fn assert_even(&self) {
        let evenness = self.run("unstick")["summary"]["evenness"].as_array().unwrap();
        assert_eq!(evenness.len(), 2);
        for one in evenness {
            assert!(one["windows"].as_u64().unwrap() > 0, "{one} {}", self.printed);
            assert!(one["worst_percent"].as_f64().unwrap() <= 10.0, "{one}");
        }
    }

    /// People stayed on the nodes that they were on before the first scale-out, and only who came later is on the new ones.
    pub(crate) fn assert_new_nodes_idle(&self, mode: &str) {
        let first = &self.run(mode)["summary"]["evenness"][0];
        assert!(first["requests"].as_u64().unwrap() > 0 && first["newcomers_percent"].as_f64().unwrap() < 60.0, "{first}");
        assert!(first["worst_percent"].as_f64().unwrap() > 10.0, "{first}");
    }
}
