//! The table: every subject and case under callgrind, differenced, against the bars.

use std::fmt::Write as _;

use serde_json::json;
use shared::{Cost, counted, missed, save};

use crate::{
    apps::{AT_A_TIME, Subject},
    correctness::{ENDED, Seen, look},
    requests::{Case, MODULE},
};

/// N of the N and 2N requests that are differenced.
pub(crate) const REQUESTS: u64 = 2000;

/// Most instructions over the bare router that our layer may cost.
fn bar(case: Case) -> Option<i64> {
    match case {
        Case::Anonymous => Some(2_600),
        Case::Read => Some(8_000),
        Case::Write => Some(14_000),
        Case::Untouched | Case::New => None,
    }
}

struct Row {
    subject: Subject,
    case: Case,
    /// Instructions per request.
    total: i64,
    allocations: i64,
    /// The same over the bare router with the same request.
    over_bare: i64,
}

/// Measures everything, prints the table and keeps it in the target directory; which bars are missed.
pub(crate) fn report(requests: u64) -> Result<Vec<String>, String> {
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
    let (correctness, wrong) = correctness()?;
    let text = format!("{}\n{correctness}", markdown(&rows));
    println!("{text}");
    save("instructions.md", &text)?;
    save("instructions.json", &json(&rows, requests))?;
    Ok(rows.iter().filter_map(Row::missed).chain(wrong).collect())
}

/// What becomes of sessions that several requests use at a time, and what of that is wrong with ours.
pub(crate) fn correctness() -> Result<(String, Vec<String>), String> {
    let mut text = format!(
        "| subject | survivors of {AT_A_TIME} changes at a time, own keys | one counter | sessions revived, of {ENDED} ended | \
         bytes of Set-Cookie | Set-Cookie headers per read |\n|---|---:|---:|---:|---:|---:|\n"
    );
    let mut wrong = Vec::new();
    for &subject in Subject::ALL.iter().filter(|subject| subject.has_sessions()) {
        let Seen { own_keys, counter, revived, cookie_bytes, cookies_of_a_read } = look(subject)?;
        let name = subject.name();
        let _ = writeln!(text, "| {name} | {own_keys} | {counter} | {revived} | {cookie_bytes} | {cookies_of_a_read} |");
        let all = AT_A_TIME as u64;
        if subject.is_ours() && (own_keys, counter, revived, cookies_of_a_read) != (all, all, 0, 0) {
            wrong.push(missed(
                "what survives, and what is revived",
                format_args!("{own_keys}, {counter}, {revived}"),
                format_args!("{all}, {all}, 0"),
            ));
        }
    }
    Ok((text, wrong))
}

/// What one run costs, as callgrind counts it.
fn cost(subject: Subject, case: Case, requests: u64, sessions: u64) -> Result<Cost, String> {
    counted(MODULE, &["run", subject.name(), case.name(), &requests.to_string(), &sessions.to_string()])
}

impl Row {
    fn is_within_bar(&self) -> Option<bool> {
        let bar = bar(self.case).filter(|_| self.subject.is_ours())?;
        Some(self.over_bare <= bar)
    }

    fn missed(&self) -> Option<String> {
        let bar = bar(self.case).filter(|_| self.is_within_bar() == Some(false))?;
        Some(missed(&format!("instructions of {}", self.case.name()), format_args!("{:+}", self.over_bare), format_args!("{bar:+}")))
    }
}

/// The table, with each subject's cost as a multiple of ours.
fn markdown(rows: &[Row]) -> String {
    let mut text =
        String::from("| case | subject | Ir per request | over bare | bar | x ours | allocations |\n|---|---|---:|---:|---:|---:|---:|\n");
    for row in rows {
        let bar = match (row.is_within_bar(), bar(row.case)) {
            (Some(within), Some(bar)) => format!("{bar} {}", if within { "met" } else { "MISSED" }),
            _ => String::new(),
        };
        let ours = rows.iter().find(|other| other.case == row.case && other.subject.is_ours());
        let ratio = ours.filter(|ours| row.subject.has_sessions() && ours.over_bare > 0).map(|ours| {
            #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let ratio = row.over_bare as f64 / ours.over_bare as f64;
            format!("{ratio:.2}")
        });
        let (case, subject, ratio) = (row.case.name(), row.subject.name(), ratio.unwrap_or_default());
        let _ = writeln!(text, "| {case} | {subject} | {} | {:+} | {bar} | {ratio} | {} |", row.total, row.over_bare, row.allocations);
    }
    text
}

fn json(rows: &[Row], requests: u64) -> String {
    let entries: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "case": row.case.name(), "subject": row.subject.name(), "instructions": row.total, "over_bare": row.over_bare, "allocations": row.allocations,
                "bar": bar(row.case).filter(|_| row.subject.is_ours()), "within_bar": row.is_within_bar(),
            })
        })
        .collect();
    json!({ "requests": requests, "rows": entries }).to_string()
}
