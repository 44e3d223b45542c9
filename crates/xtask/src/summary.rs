//! Reads what test binaries print and adds it up.
//!
//! A test that cannot run for want of a server or browser writes `SKIPPED <name>: <reason>` straight to the process's standard output
//! (`writeln!(std::io::stdout(), …)`: the test harness keeps what `println!` writes) and returns. The harness counts it as passed; here it
//! is counted as skipped instead.

use std::{collections::BTreeMap, fmt};

/// The sum over all test binaries and doctests.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Name and reason, per binary that was running: names repeat across binaries.
    skips: BTreeMap<(usize, String), String>,
    failures: Vec<String>,
    binaries: usize,
    is_open: bool,
    aborted: u64,
}

impl Summary {
    /// Takes one line of output.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += count(result, "passed");
            self.failed += count(result, "failed");
            self.ignored += count(result, "ignored");
            self.is_open = false;
        } else if let Some(running) = line.strip_prefix("running ")
            && running.ends_with(" tests") | running.ends_with(" test")
        {
            self.close();
            self.binaries += 1;
            self.is_open = true;
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        } else if let Some(skip) = skip(line) {
            self.skips.insert((self.binaries, skip.0.to_owned()), skip.1.to_owned());
        }
    }

    /// Ends a binary that never told its result: it was killed or aborted.
    fn close(&mut self) {
        if self.is_open {
            self.aborted += 1;
            self.is_open = false;
        }
    }

    /// Ends the run with cargo's own verdict.
    pub(crate) fn finish(mut self, cargo_succeeded: bool) -> Finished {
        self.close();
        let skipped = self.skips.len() as u64;
        let passed = self.passed.saturating_sub(skipped);
        let mut failed = self.failed + self.aborted;
        let mut remarks: Vec<String> = self.skips.iter().map(|((_, name), reason)| format!("skipped: {name}: {reason}")).collect();
        remarks.extend(self.failures.iter().map(|name| format!("failed: {name}")));
        if self.aborted > 0 {
            remarks.push(format!("{} test binaries ended without telling their result", self.aborted));
        }
        if failed == 0 && !cargo_succeeded {
            failed = 1;
            remarks.push("cargo failed outside of any test: see above, most likely the build; counted as one failure".to_owned());
        } else if failed == 0 && self.passed == 0 {
            failed = 1;
            remarks.push("no test was run; counted as one failure".to_owned());
        }
        Finished { passed, failed, skipped: skipped + self.ignored, remarks }
    }
}

/// What a run came to. Displays as its closing line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) remarks: Vec<String>,
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

fn count(result: &str, what: &str) -> u64 {
    let parts = result.split([';', '.']).filter_map(|part| part.trim().strip_suffix(what));
    parts.filter_map(|number| number.trim().parse::<u64>().ok()).sum()
}

/// Name and reason. With one test thread the line follows the harness's `test x ... `.
fn skip(line: &str) -> Option<(&str, &str)> {
    let text = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")).map_or(line, |(_, text)| text);
    text.strip_prefix("SKIPPED ")?.split_once(": ")
}

#[cfg(test)]
mod tests {
    use super::{Finished, Summary};

    fn sum(text: &str, cargo_succeeded: bool) -> Finished {
        let mut summary = Summary::default();
        text.lines().for_each(|line| summary.line(line));
        summary.finish(cargo_succeeded)
    }

    const OK: &str =
        "running 3 tests\ntest a ... ok\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";

    #[test]
    fn binaries_and_doctests_add_up() {
        let text = format!(
            "{OK}running 1 test\ntest result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\nall doctests ran in 1.2s\n"
        );
        assert_eq!(sum(&text, true), Finished { passed: 4, failed: 0, skipped: 1, remarks: vec![] });
        assert_eq!(sum(&text, true).to_string(), "4 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn failures_are_counted_and_named() {
        let text = format!("{OK}running 2 tests\ntest b::c ... FAILED\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n");
        let finished = sum(&text, false);
        assert_eq!((finished.passed, finished.failed), (4, 1));
        assert_eq!(finished.remarks, ["failed: b::c"]);
    }

    #[test]
    fn a_skip_is_not_a_pass_and_counts_once() {
        let text = format!("SKIPPED page: no chromedriver\nSKIPPED page: no chromedriver\ntest two ... SKIPPED two: no server\n{OK}");
        let finished = sum(&text, true);
        assert_eq!((finished.passed, finished.failed, finished.skipped), (1, 0, 2));
        assert_eq!(finished.remarks, ["skipped: page: no chromedriver", "skipped: two: no server"]);
    }

    #[test]
    fn a_binary_that_dies_is_a_failure() {
        let finished = sum(&format!("running 5 tests\ntest a ... ok\n{OK}"), false);
        assert_eq!((finished.passed, finished.failed), (3, 1));
        assert_eq!(sum("running 5 tests\n", true).failed, 1);
    }

    #[test]
    fn a_failed_build_and_an_empty_run_are_failures() {
        assert_eq!(sum("", false).failed, 1);
        assert_eq!(sum(OK, false).failed, 1);
        assert_eq!(sum("", true).failed, 1);
        assert_eq!(sum("running 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out\n", true).failed, 1);
    }
}
