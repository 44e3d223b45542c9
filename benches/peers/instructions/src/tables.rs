//! Tables and charts.

use std::fmt::Write as _;

use sessions::{Seen, columns};
use shared::{Bar, Chart, Group};

use crate::{
    apps::Subject,
    report::{Row, bar},
    requests::Case,
    time::Time,
};

/// Speed and what is right, side by side.
pub(crate) fn glance(rows: &[Row], times: &[Time], seen: &[(Subject, Seen)]) -> String {
    let cases = [Case::Anonymous, Case::Read, Case::Write];
    let mut text = String::from("| subject |");
    for case in cases {
        let _ = write!(text, " {0}: instructions over bare | x ours | {0}: allocations | {0}: time, times bare |", case.name());
    }
    let _ = writeln!(text, " {} | Set-Cookie headers per read |\n|---|{}", columns(), "---:|".repeat(cases.len() * 4 + 6));
    for (subject, seen) in seen {
        let _ = write!(text, "| {} |", subject.name());
        for case in cases {
            let row = rows.iter().find(|row| row.case == case && row.subject == *subject);
            let time = times.iter().find(|time| time.case == case && time.subject == *subject);
            if let Some((row, time)) = row.zip(time) {
                let _ = write!(text, " {:+} | {} | {} | {} |", row.over_bare, times_ours(rows, row), row.allocations, time.ratio);
            }
        }
        let _ = writeln!(text, " {} | {} |", seen.cells(), seen.cookies_of_a_read);
    }
    text
}

/// Every case, with each subject's cost as a multiple of ours.
pub(crate) fn counts(rows: &[Row]) -> String {
    let mut text =
        String::from("| case | subject | Ir per request | over bare | goal | x ours | allocations |\n|---|---|---:|---:|---:|---:|---:|\n");
    for row in rows {
        let bar = match (row.is_within_bar(), bar(row.case)) {
            (Some(within), Some(bar)) => format!("{bar} {}", if within { "met" } else { "MISSED" }),
            _ => String::new(),
        };
        let (case, subject, ratio) = (row.case.name(), row.subject.name(), times_ours(rows, row));
        let _ = writeln!(text, "| {case} | {subject} | {} | {:+} | {bar} | {ratio} | {} |", row.total, row.over_bare, row.allocations);
    }
    text
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn times_ours(rows: &[Row], row: &Row) -> String {
    let ours = rows.iter().find(|other| other.case == row.case && other.subject.is_ours());
    let ours = ours.filter(|ours| row.subject.has_sessions() && ours.over_bare > 0);
    ours.map(|ours| format!("{:.2}", row.over_bare as f64 / ours.over_bare as f64)).unwrap_or_default()
}

pub(crate) fn times(times: &[Time]) -> String {
    let mut text = String::from(
        "Processor time, as a multiple of a bare router's beside it: median (quartiles). The nanoseconds are this machine's.\n\n\
         | case | subject | times bare | ns per request |\n|---|---|---:|---:|\n",
    );
    for Time { subject, case, ratio, nanoseconds } in times {
        let _ = writeln!(text, "| {} | {} | {ratio} | {nanoseconds:.0} |", case.name(), subject.name());
    }
    text
}

/// A group for each case, of the subjects that have sessions.
fn groups(bar: impl Fn(Case, Subject) -> Option<Bar>) -> Vec<Group> {
    let subjects = || Subject::ALL.iter().copied().filter(|subject| subject.has_sessions());
    Case::ALL.into_iter().map(|case| Group::new(case.name(), subjects().filter_map(|subject| bar(case, subject)).collect())).collect()
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn costs(rows: &[Row]) -> Chart {
    let find = |case, subject| rows.iter().find(|row| row.case == case && row.subject == subject);
    let mut groups = groups(|case, subject| {
        find(case, subject).map(|row| Bar::new(subject.name(), row.over_bare as f64, format!("{:+}", row.over_bare)))
    });
    for (case, group) in Case::ALL.into_iter().zip(&mut groups) {
        group.goal = bar(case).map(|bar| (bar as f64, format!("goal {bar}")));
    }
    Chart {
        title: "Instructions that sessions add to a request".to_owned(),
        unit: "over a bare axum router, in this process; fewer are better".to_owned(),
        groups,
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn allocations(rows: &[Row]) -> Chart {
    let find = |case, subject| rows.iter().find(|row| row.case == case && row.subject == subject);
    let mut groups = groups(|case, subject| {
        find(case, subject).map(|row| Bar::new(subject.name(), row.allocations as f64, row.allocations.to_string()))
    });
    for (case, group) in Case::ALL.into_iter().zip(&mut groups) {
        let bare = find(case, Subject::Bare).map(|row| row.allocations);
        group.goal = bare.map(|bare| (bare as f64, format!("bare router {bare}")));
    }
    Chart {
        title: "Allocations per request".to_owned(),
        unit: "in this process, those of the router included; fewer are better".to_owned(),
        groups,
    }
}

pub(crate) fn durations(times: &[Time]) -> Chart {
    let find = |case, subject| times.iter().find(|time| time.case == case && time.subject == subject);
    let mut groups = groups(|case, subject| find(case, subject).map(|time| Bar::spread(subject.name(), time.ratio)));
    for group in &mut groups {
        group.goal = Some((1.0, "bare router".to_owned()));
    }
    Chart {
        title: "Processor time per request".to_owned(),
        unit: "times a bare router's beside it, in this process: medians and quartiles; less is better".to_owned(),
        groups,
    }
}
