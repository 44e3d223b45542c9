//! Tables and charts.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sessions::{Seen, columns};
use shared::{Bar, Chart, Group, Spread, missed};

use crate::{
    correctness::SUBJECTS,
    load::CONCURRENT,
    report::{OPERATIONS, Row},
    wire::{CASES, Commands},
};

/// The requests whose speed is compared: what they are called, and the ends of the names that they have with each subject.
const REQUESTS: [(&str, &str); 4] =
    [("read", "read"), ("write", "write"), ("read a cart of 1 KB", "read-cart"), ("write a cart of 1 KB", "write-cart")];

/// The row of a request with a subject of [`SUBJECTS`].
fn find<'a>(rows: &'a [Row<'a>], subject: usize, request: &str) -> Option<&'a Row<'a>> {
    let name = match subject {
        0 => format!("unstick-{request}"),
        1 => format!("peer-{request}"),
        2 => format!("peer-{request}-signed"),
        _ => return None,
    };
    rows.iter().find(|row| row.subject.name == name)
}

/// Speed and what is right, side by side.
pub(crate) fn glance(rows: &[Row<'_>], commands: &[Vec<Commands>], seen: &[(&str, Seen)]) -> String {
    let mut text = String::from("| subject |");
    for request in ["read", "write"] {
        let _ = write!(text, " {request}: ratio to GET | {request}: commands on the wire |");
    }
    let _ = writeln!(text, " {} |\n|---|{}", columns(), "---:|".repeat(9));
    for (at, (subject, seen)) in seen.iter().enumerate() {
        let _ = write!(text, "| {subject} |");
        for request in ["read", "write"] {
            let ratio = find(rows, at, request).map(|row| row.ratio.to_string()).unwrap_or_default();
            let trips = CASES.iter().zip(commands).find(|(case, _)| case.name == request).and_then(|(_, row)| row.get(at));
            let _ = write!(text, " {ratio} | {} |", trips.map(|trips| trips.total().to_string()).unwrap_or_default());
        }
        let _ = writeln!(text, " {} |", seen.cells());
    }
    text.push_str("\nSurvivors and revived sessions: on two nodes that share the server.\n");
    text
}

pub(crate) fn speed(rows: &[Row<'_>], rounds: usize) -> String {
    let mut text = format!(
        "Ratio to GET of 1 KB beside it, {CONCURRENT} concurrent, {OPERATIONS} operations a run: median (quartiles) of {rounds} rounds.\n\n\
         | subject | ratio to GET | goal | thousands per second | client, us of CPU | server, us of CPU |\n|---|---:|---:|---:|---:|---:|\n"
    );
    for row in rows {
        let Row { subject, ratio, rate, client, server } = row;
        let bar = subject.bar.zip(row.is_met()).map(|(bar, is_met)| format!("{bar:.2} {}", if is_met { "met" } else { "MISSED" }));
        let _ = writeln!(text, "| {} | {ratio} | {} | {rate:.0} | {client:.1} | {server:.1} |", subject.what, bar.unwrap_or_default());
    }
    text
}

pub(crate) fn ratios(rows: &[Row<'_>]) -> Chart {
    let group = |(request, end): (&str, &str)| {
        let all = || (0..SUBJECTS.len()).filter_map(|at| find(rows, at, end).map(|row| (at, row)));
        let goal = all().find_map(|(_, row)| row.subject.bar).map_or((1.0, "GET".to_owned()), |bar| (bar, format!("goal {bar}")));
        Group { goal: Some(goal), ..Group::new(request, all().map(|(at, row)| Bar::spread(SUBJECTS[at], row.ratio)).collect()) }
    };
    Chart {
        title: "Requests per second with sessions in Redis".to_owned(),
        unit: format!(
            "as a ratio to GET of 1 KB beside it, {CONCURRENT} concurrent, one connection: medians and quartiles; more is better"
        ),
        groups: REQUESTS.into_iter().map(group).collect(),
    }
}

pub(crate) fn commands(rows: &[Vec<Commands>]) -> String {
    let mut text = format!("| request | goal | {} |\n|---|---:|", SUBJECTS.join(" | "));
    text.push_str(&"---|".repeat(SUBJECTS.len()));
    text.push('\n');
    for (case, row) in CASES.iter().zip(rows) {
        let bar = case.bar.zip(row.first()).map(|(bar, ours)| format!("{bar} {}", if is_within(ours, bar) { "met" } else { "MISSED" }));
        let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "| {} | {} | {} |", case.name, bar.unwrap_or_default(), cells.join(" | "));
    }
    text
}

#[allow(clippy::cast_precision_loss, reason = "bars are small")]
fn is_within(ours: &Commands, bar: usize) -> bool {
    ours.total() <= bar as f64
}

/// Where ours sends more commands than it may.
pub(crate) fn too_many(rows: &[Vec<Commands>]) -> Vec<String> {
    let barred = CASES.iter().zip(rows).filter_map(|(case, row)| Some((case.name, case.bar?, row.first()?)));
    barred
        .filter(|(_, bar, ours)| !is_within(ours, *bar))
        .map(|(name, bar, ours)| missed(&format!("commands of {name}"), ours, bar))
        .collect()
}

pub(crate) fn trips(rows: &[Vec<Commands>]) -> Chart {
    let bars =
        |row: &[Commands]| SUBJECTS.into_iter().zip(row).map(|(subject, sent)| Bar::new(subject, sent.total(), sent.to_string())).collect();
    Chart {
        title: "Commands on the wire per request".to_owned(),
        unit: "as the server's MONITOR reports them; fewer are better".to_owned(),
        groups: CASES.iter().zip(rows).map(|(case, row)| Group::new(case.name, bars(row))).collect(),
    }
}

pub(crate) fn json(rows: &[Row<'_>], commands: &[Vec<Commands>], seen: &[(&str, Seen)]) -> Value {
    let spread = |spread: &Spread| json!({ "low": spread.low, "median": spread.median, "high": spread.high });
    let row = |row: &Row<'_>| {
        json!({
            "subject": row.subject.name, "what": row.subject.what, "ratio": spread(&row.ratio), "bar": row.subject.bar, "within_bar": row.is_met(),
            "thousands_per_second": spread(&row.rate), "client_microseconds": spread(&row.client), "server_microseconds": spread(&row.server),
        })
    };
    let sent = |(case, row): (&crate::wire::Case, &Vec<Commands>)| {
        let each = SUBJECTS.into_iter().zip(row).map(|(subject, sent)| (subject.to_owned(), json!(sent.total())));
        json!({ "request": case.name, "bar": case.bar, "commands": each.collect::<serde_json::Map<_, _>>() })
    };
    let right = |(subject, seen): &(&str, Seen)| {
        json!({
            "subject": subject, "own_keys": seen.own_keys, "counter": seen.counter, "revived": seen.revived,
            "set_cookie_bytes": seen.set_cookie_bytes, "cookie_bytes": seen.cookie_bytes, "cookies_of_a_read": seen.cookies_of_a_read,
        })
    };
    json!({
        "speed": rows.iter().map(row).collect::<Vec<_>>(), "commands": CASES.iter().zip(commands).map(sent).collect::<Vec<_>>(),
        "correctness": seen.iter().map(right).collect::<Vec<_>>(),
    })
}
