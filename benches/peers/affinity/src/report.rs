//! The table: every case under callgrind, differenced, against the bars.

use std::fmt::Write as _;

use serde_json::{Value, json};
use shared::{Bar as Line, Chart, Cost, Group, Report, counted, missed};

use crate::{
    apps::Subject,
    cases::{Bar, CASES, Case},
    requests::{Carried, MODULE},
};

/// N of the N and 2N requests that are differenced.
pub(crate) const REQUESTS: u32 = 2000;

struct Row {
    case: &'static Case,
    /// Per request.
    total: i64,
    /// Over the layer that does nothing, with the same request.
    over_identity: i64,
    /// That, over the layer that sets the header.
    over_header: i64,
    /// Over the layer that does nothing, in hundredths.
    allocations: i64,
}

/// Measures everything, prints the table and keeps it in the target directory; which bars are missed.
pub(crate) fn report(requests: u32) -> Result<Vec<String>, String> {
    let identity = known(Subject::Identity, requests)?;
    let header = known(Subject::Header, requests)?;
    let find = |known: &[(Carried, Cost)], carried| {
        let cost = known.iter().find(|(with, _)| *with == carried).map(|(_, cost)| *cost);
        cost.ok_or_else(|| "a request was not measured".to_owned())
    };
    let mut rows = Vec::with_capacity(CASES.len());
    for case in &CASES {
        let base = find(&identity, case.carried)?;
        if base.instructions < 1000 {
            return Err(format!("a router answers in {} instructions? callgrind did not see all of it", base.instructions));
        }
        let cost = measure(case.subject, case.carried, requests)?;
        rows.push(Row {
            case,
            total: cost.instructions,
            over_identity: cost.instructions - base.instructions,
            over_header: cost.instructions - find(&header, case.carried)?.instructions,
            allocations: cost.allocations - base.allocations,
        });
    }
    let mut report = Report::new("affinity", "Un-pinning", "cargo xtask bench affinity", &["axum", "tower-http"]);
    report.section("Instructions and allocations per request", &markdown(&rows), charts(&rows));
    report.finish(&json(&rows, requests))?;
    Ok(rows.iter().filter_map(Row::missed).collect())
}

/// What the subject costs with each of the requests that the cases send.
fn known(subject: Subject, requests: u32) -> Result<Vec<(Carried, Cost)>, String> {
    let mut known: Vec<(Carried, Cost)> = Vec::new();
    for case in &CASES {
        if !known.iter().any(|(with, _)| *with == case.carried) {
            known.push((case.carried, measure(subject, case.carried, requests)?));
        }
    }
    Ok(known)
}

/// Instructions, and hundredths of allocations, of one request.
fn measure(subject: Subject, carried: Carried, requests: u32) -> Result<Cost, String> {
    eprintln!("measuring {} {} ...", subject.name(), carried.name());
    let run = |count: u32| counted(MODULE, &["run", subject.name(), carried.name(), &count.to_string()]);
    let (once, twice) = (run(requests)?, run(requests.saturating_mul(2))?);
    let each = |more: i64| more / i64::from(requests.max(1));
    Ok(Cost { instructions: each(twice.instructions - once.instructions), allocations: each(100 * (twice.allocations - once.allocations)) })
}

impl Row {
    /// The bar, what is compared with it, and over what.
    fn bar(&self) -> Option<(i64, i64, &'static str)> {
        self.case.bar.map(|bar| match bar {
            Bar::OverIdentity(most) => (most, self.over_identity, "identity"),
            Bar::OverHeader(most) => (most, self.over_header, "the header"),
        })
    }

    fn missed(&self) -> Option<String> {
        let (most, is, over) = self.bar().filter(|(most, is, _)| is > most)?;
        Some(missed(&format!("{}, over {over}", self.case.what), format_args!("{is:+}"), format_args!("{most:+}")))
    }
}

fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| request | Ir | over identity | over the header | bar | allocations |\n|---|---:|---:|---:|---:|---:|\n");
    for row in rows {
        let bar = row.bar().map(|(most, is, over)| format!("{most:+} over {over}, {}", if is <= most { "met" } else { "MISSED" }));
        let (whole, part) = (row.allocations / 100, row.allocations % 100);
        let allocations = if part == 0 { format!("{whole:+}") } else { format!("{:+}.{:02}", whole, part.abs()) };
        let (what, bar) = (row.case.what, bar.unwrap_or_default());
        let _ = writeln!(text, "| {what} | {} | {:+} | {:+} | {bar} | {allocations} |", row.total, row.over_identity, row.over_header);
    }
    text.push_str("\nNo other crate does this work; tower-http's layer sets the same header.\n");
    text
}

/// What serving costs always, and while clients are moved: the second is far dearer, and has a scale of its own.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn charts(rows: &[Row]) -> [(&'static str, Chart); 2] {
    const DEAR: i64 = 2000;
    let line = |row: &Row| Line {
        // tower-http's and the bare header stand beside ours
        is_ours: !matches!(row.case.subject, Subject::Header | Subject::TowerHttp),
        ..Line::new(row.case.what.replace('`', ""), row.over_identity as f64, format!("{:+}", row.over_identity))
    };
    let group = |name: &str, is_in: fn(&Row) -> bool| {
        let in_it = || rows.iter().filter(|row| is_in(row));
        // what is compared may be less than what is shown, by the header's cost
        let goal =
            in_it().find_map(|row| row.bar().map(|(most, is, over)| (most + row.over_identity - is, format!("{most:+} over {over}"))));
        Group { goal: goal.map(|(goal, called)| (goal as f64, called)), ..Group::new(name, in_it().map(line).collect()) }
    };
    let chart = |title: &str, groups| Chart {
        title: title.to_owned(),
        unit: "instructions over a layer that does nothing; fewer are better".to_owned(),
        groups,
    };
    let serving = vec![
        group("switched off", |row| matches!(row.case.bar, Some(Bar::OverIdentity(_)))),
        group("on", |row| matches!(row.case.bar, Some(Bar::OverHeader(_)))),
        group("others", |row| row.case.bar.is_none() && row.over_identity < DEAR),
    ];
    let moving = vec![group("", |row| row.case.bar.is_none() && row.over_identity >= DEAR)];
    [
        ("serving", chart("What un-pinning adds to every request", serving)),
        ("moving", chart("What it adds while clients are moved or watched", moving)),
    ]
}

fn json(rows: &[Row], requests: u32) -> Value {
    let entries: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "request": row.case.what, "subject": row.case.subject.name(), "carried": row.case.carried.name(), "instructions": row.total,
                "over_identity": row.over_identity, "over_header": row.over_header, "hundredths_of_allocations": row.allocations,
                "bar": row.bar().map(|(most, ..)| most), "within_bar": row.bar().map(|(most, is, _)| is <= most),
            })
        })
        .collect();
    json!({ "requests": requests, "rows": entries })
}
