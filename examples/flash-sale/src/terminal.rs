//! What is printed: a line for each event, a bar that moves if somebody watches, and a table at the end.

use std::{
    io::{IsTerminal, Write, stdout},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::JoinHandle;

use crate::{cli::Mode, journal::Mark, measure::Summary, run::Run};

/// How many characters a full bar has.
const WIDTH: usize = 24;

/// How often the bar moves.
const BEAT: Duration = Duration::from_millis(250);

/// The bar of one run. Lines that are printed through it push it down.
#[derive(Debug)]
pub(crate) struct Bar {
    shown: Arc<Mutex<bool>>,
    beat: Option<JoinHandle<()>>,
}

impl Bar {
    /// Moves by itself while somebody watches.
    pub(crate) fn of(run: &Run) -> Self {
        let shown = Arc::new(Mutex::new(false));
        let beat = stdout().is_terminal().then(|| {
            let (run, shown) = (run.clone(), Arc::clone(&shown));
            tokio::spawn(async move {
                let mut beat = tokio::time::interval(BEAT);
                loop {
                    beat.tick().await;
                    let line = line(&run);
                    let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                    print!("\r\x1b[K{line}");
                    // A terminal that is gone shows nothing.
                    let _ = stdout().flush();
                    *shown = true;
                }
            })
        });
        Self { shown, beat }
    }

    /// Prints what happened, above the bar.
    pub(crate) fn say(&self, mark: &Mark) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let clear = if std::mem::take(&mut *shown) { "\r\x1b[K" } else { "" };
        println!("{clear}  {:>6.1} s  {}", mark.begun.as_secs_f64(), mark.text());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(beat) = self.beat.take() {
            beat.abort();
            if *self.shown.lock().unwrap_or_else(PoisonError::into_inner) {
                print!("\r\x1b[K");
            }
        }
    }
}

fn line(run: &Run) -> String {
    let written = run.journal.copy();
    let summary = Summary::of(&written);
    let nodes = written.marks.last().map_or(0, |mark| mark.serving.len());
    format!(
        "  {} {nodes} nodes, {} requests, continuity {} %, {} carts lost, {} logouts, {} requests failed",
        bar(run.journal.clicks(), run.clicks()),
        summary.requests,
        share(summary.continuity),
        summary.carts_lost,
        summary.logouts,
        summary.failed_otherwise,
    )
}

fn bar(done: usize, all: usize) -> String {
    let full = (done * WIDTH).checked_div(all).unwrap_or(0).min(WIDTH);
    format!("{}{}", "█".repeat(full), "░".repeat(WIDTH - full))
}

/// In percent. 100 only if nothing is missing.
pub(crate) fn share(percent: f64) -> String {
    if percent >= 100.0 { "100".to_owned() } else { format!("{:.1}", (percent * 10.0).floor() / 10.0) }
}

/// A measured number, or a dash.
pub(crate) fn or_dash(number: Option<f64>, unit: &str) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.0} {unit}"))
}

/// The rows of the closing table: what is measured, and what it was in each run.
pub(crate) fn rows(all: &[(Mode, &Summary)]) -> Vec<(&'static str, Vec<String>)> {
    let row = |name, tell: &dyn Fn(&Summary) -> String| (name, all.iter().map(|(_, summary)| tell(summary)).collect());
    let recovery = |summary: &Summary| {
        let (people, out) = summary.recoveries.iter().fold((0, 0), |sum, one| (sum.0 + one.people, sum.1 + one.logged_out));
        format!("{out} of {people}")
    };
    let longest = |summary: &Summary| summary.recoveries.iter().filter_map(|one| one.longest_ms).max_by(f64::total_cmp);
    vec![
        row("requests", &|one| one.requests.to_string()),
        row("continuity", &|one| format!("{} %", share(one.continuity))),
        row("logouts", &|one| one.logouts.to_string()),
        row("carts lost", &|one| format!("{} of {}", one.carts_lost, one.carts)),
        row("orders paid in full", &|one| format!("{} of {}", one.orders_whole, one.orders)),
        row("own changes missing", &|one| format!("{} of {}", one.notes_stale, one.notes_read)),
        row("notes from a node's memory", &|one| format!("{} of {}", one.notes_hit, one.notes_read)),
        row("load of a node, off the mean by", &|one| or_dash(one.worst_percent(), "%")),
        row("load of the nodes that were added", &|one| or_dash(one.newcomers_percent(), "%")),
        row("logged out by a kill", &recovery),
        row("known again after a kill within", &|one| or_dash(longest(one), "ms")),
        row("requests cut off by a kill", &|one| one.failed_in_kills.to_string()),
        row("other requests that failed", &|one| one.failed_otherwise.to_string()),
        row("p50", &|one| format!("{:.0} ms", one.p50_ms)),
        row("p99", &|one| format!("{:.0} ms", one.p99_ms)),
    ]
}

/// Prints the table.
pub(crate) fn table(all: &[(Mode, &Summary)]) {
    let heads: Vec<&str> = all.iter().map(|(mode, _)| mode.name()).collect();
    let rows = rows(all);
    let first = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |name: &str, cells: &[&str]| {
        let cells: String = cells.iter().map(|cell| format!("  {cell:>13}")).collect();
        println!("{name:first$}{cells}");
    };
    println!();
    line("", &heads);
    for (name, cells) in &rows {
        line(name, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        assert_eq!(bar(0, 0), "░".repeat(WIDTH));
        assert_eq!(bar(5, 10), format!("{}{}", "█".repeat(WIDTH / 2), "░".repeat(WIDTH / 2)));
        assert_eq!(bar(11, 10), "█".repeat(WIDTH));
    }

    #[test]
    fn nothing_is_rounded_up_to_all() {
        assert_eq!((share(100.0).as_str(), share(99.99).as_str(), share(33.333).as_str()), ("100", "99.9", "33.3"));
    }
}
