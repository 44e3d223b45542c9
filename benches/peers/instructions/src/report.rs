//! What is measured, and kept.

use serde_json::{Value, json};
use sessions::{Seen, columns, look};
use shared::{Cost, Report, counted, missed};

use crate::{
    apps::Subject,
    requests::{Case, MODULE, runtime},
    tables,
    time::{self, Time},
};

/// N of the N and 2N requests that are differenced.
pub(crate) const REQUESTS: u64 = 2000;

/// Most instructions over the bare router that our layer may cost.
pub(crate) fn bar(case: Case) -> Option<i64> {
    match case {
        Case::Anonymous => Some(2_600),
        Case::Read => Some(8_000),
        Case::Write => Some(14_000),
        Case::Untouched | Case::New => None,
    }
}

pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) case: Case,
    /// Instructions per request.
    pub(crate) total: i64,
    pub(crate) allocations: i64,
    /// Instructions over the bare router with the same request.
    pub(crate) over_bare: i64,
}

/// Measures everything, prints the tables and keeps them; which bars are missed.
pub(crate) fn report(requests: u64) -> Result<Vec<String>, String> {
    let rows = count(requests)?;
    let times = time::all()?;
    let seen = seen()?;
    let crates = ["axum", "tower-sessions", "axum_session"];
    let mut report = Report::new("instructions", "Sessions in this process", "cargo xtask bench instructions", &crates);
    let survivors: Vec<_> = seen.iter().map(|(subject, seen)| (subject.name(), *seen)).collect();
    report.section("At a glance", &tables::glance(&rows, &times, &seen), [("survivors", sessions::survivors(&survivors))]);
    let charts = [("cost", tables::costs(&rows)), ("allocations", tables::allocations(&rows))];
    report.section("Instructions and allocations", &tables::counts(&rows), charts);
    report.section("Time", &tables::times(&times), [("time", tables::durations(&times))]);
    report.finish(&json(&rows, &times, &seen, requests))?;
    Ok(rows.iter().filter_map(Row::missed).chain(wrong(&seen)).collect())
}

/// Only what becomes of sessions.
pub(crate) fn correctness() -> Result<Vec<String>, String> {
    let seen = seen()?;
    println!("| subject | {} | Set-Cookie headers per read |\n|---|---:|---:|---:|---:|---:|---:|", columns());
    for (subject, seen) in &seen {
        println!("| {} | {} | {} |", subject.name(), seen.cells(), seen.cookies_of_a_read);
    }
    Ok(wrong(&seen))
}

fn wrong(seen: &[(Subject, Seen)]) -> Vec<String> {
    seen.iter().filter(|(subject, _)| subject.is_ours()).filter_map(|(_, seen)| seen.missed()).collect()
}

fn seen() -> Result<Vec<(Subject, Seen)>, String> {
    let runtime = runtime()?;
    let look = |subject: Subject| runtime.block_on(async { look(&[subject.app(true).await?]).await });
    let subjects = Subject::ALL.iter().filter(|subject| subject.has_sessions());
    subjects.map(|subject| look(*subject).map(|seen| (*subject, seen))).collect()
}

/// Every subject and case under callgrind, differenced.
fn count(requests: u64) -> Result<Vec<Row>, String> {
    let mut rows: Vec<Row> = Vec::new();
    for case in Case::ALL {
        let mut bare = 0;
        for &subject in Subject::ALL {
            eprintln!("measuring {} {} ...", subject.name(), case.name());
            let once = cost(subject, case, requests, 2 * requests)?;
            let twice = cost(subject, case, 2 * requests, 2 * requests)?;
            let count = i64::try_from(requests).map_err(|_| "too many requests")?;
            let total = (twice.instructions - once.instructions) / count;
            let allocations = (twice.allocations - once.allocations + count / 2) / count;
            if subject == Subject::Bare {
                bare = total;
            }
            if bare < 1000 {
                return Err(format!("a bare router answers in {bare} instructions? callgrind did not see all of it"));
            }
            rows.push(Row { subject, case, total, allocations, over_bare: total - bare });
        }
    }
    Ok(rows)
}

/// What one run costs, as callgrind counts it.
fn cost(subject: Subject, case: Case, requests: u64, sessions: u64) -> Result<Cost, String> {
    counted(MODULE, &["run", subject.name(), case.name(), &requests.to_string(), &sessions.to_string()])
}

impl Row {
    pub(crate) fn is_within_bar(&self) -> Option<bool> {
        let bar = bar(self.case).filter(|_| self.subject.is_ours())?;
        Some(self.over_bare <= bar)
    }

    fn missed(&self) -> Option<String> {
        let bar = bar(self.case).filter(|_| self.is_within_bar() == Some(false))?;
        Some(missed(&format!("instructions of {}", self.case.name()), format_args!("{:+}", self.over_bare), format_args!("{bar:+}")))
    }
}

fn json(rows: &[Row], times: &[Time], seen: &[(Subject, Seen)], requests: u64) -> Value {
    let time = |row: &Row| times.iter().find(|time| time.case == row.case && time.subject == row.subject);
    let costs: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "case": row.case.name(), "subject": row.subject.name(), "instructions": row.total, "over_bare": row.over_bare, "allocations": row.allocations,
                "times_bare": time(row).map(|time| time.ratio.median), "nanoseconds": time(row).map(|time| time.nanoseconds.median),
                "bar": bar(row.case).filter(|_| row.subject.is_ours()), "within_bar": row.is_within_bar(),
            })
        })
        .collect();
    let right: Vec<_> = seen
        .iter()
        .map(|(subject, seen)| {
            json!({
                "subject": subject.name(), "own_keys": seen.own_keys, "counter": seen.counter, "revived": seen.revived,
                "set_cookie_bytes": seen.set_cookie_bytes, "cookie_bytes": seen.cookie_bytes, "cookies_of_a_read": seen.cookies_of_a_read,
            })
        })
        .collect();
    json!({ "requests": requests, "costs": costs, "correctness": right })
}
