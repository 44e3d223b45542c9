//! Tables and charts.

use std::fmt::Write as _;

use serde_json::{Value, json};
use shared::{Bar, Chart, Cost, Group};

use crate::{
    behaviour::{Behaviour, CALLERS},
    report::{Counts, Row, Times},
};

/// Each way to ask for a value, and which of the tried ones it belongs to.
const LOADING: [(&str, &str); 7] = [
    ("unstick", "unstick get_or_load"),
    ("unstick on quick_cache", "unstick on quick_cache, get_or_load"),
    ("moka::sync, get and insert", "moka::sync get"),
    ("moka::future, get_with", "moka::future get_with"),
    ("foyer", "foyer get_or_fetch"),
    ("quick_cache", "quick_cache get_or_insert_async"),
    ("hitbox on moka", "hitbox on moka"),
];

/// Speed and what is right, side by side: what loads when it has no value.
pub(crate) fn glance(times: &[Times], counts: Option<&[Counts; 2]>, behaviours: &[Behaviour]) -> String {
    let mut text = format!(
        "| subject | hit, `String` key: times bare moka | instructions | allocations | stale reads in a history | \
         serves what was invalidated while it was loaded | loads for {CALLERS} misses |\n|---|---:|---:|---:|---:|---|---:|\n"
    );
    for (name, way) in LOADING {
        let row = times.first().and_then(|times| times.rows.iter().find(|row| row.name == way));
        let cost = counts.and_then(|[strings, _]| strings.iter().find(|(name, _)| *name == way)).map(|(_, cost)| *cost);
        let Some((row, seen)) = row.zip(behaviours.iter().find(|seen| seen.name == name)) else { continue };
        let instructions = cost.map(|cost| cost.instructions.to_string()).unwrap_or_default();
        let allocations = cost.map(hundredths).unwrap_or_default();
        let stale = format!("{} of {}", seen.told.stale, seen.told.reads);
        let keeps = if seen.keeps_stale { "**yes**" } else { "no" };
        let _ = writeln!(text, "| {name} | {} | {instructions} | {allocations} | {stale} | {keeps} | {} |", row.ratio, seen.loads);
    }
    text
}

pub(crate) fn times(rows: &[Row], rounds: usize) -> String {
    let mut text = format!(
        "Times bare moka beside it, median (quartiles) of {rounds} rounds; the nanoseconds are this machine's.\n\n\
         | subject | times bare moka | goal | ns |\n|---|---:|---:|---:|\n"
    );
    for row in rows {
        let bar = row.bar.zip(row.is_met()).map(|(bar, is_met)| format!("{bar:.2} {}", if is_met { "met" } else { "MISSED" }));
        let _ = writeln!(text, "| {} | {} | {} | {:.0} |", row.name, row.ratio, bar.unwrap_or_default(), row.nanoseconds);
    }
    text
}

/// The first of the rows is the reference.
pub(crate) fn counts(strings: &Counts, numbers: &Counts) -> String {
    let mut text = String::from(
        "| subject | `String` keys | times bare moka | allocations | `u64` keys | times bare moka | allocations |\n|---|---:|---:|---:|---:|---:|---:|\n",
    );
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let times =
        |rows: &Counts, cost: &Cost| rows.first().map_or(f64::NAN, |(_, first)| cost.instructions as f64 / first.instructions as f64);
    for ((name, string), (_, number)) in strings.iter().zip(numbers) {
        let cells = |rows, cost: &Cost| format!("{} | {:.2} | {}", cost.instructions, times(rows, cost), hundredths(*cost));
        let _ = writeln!(text, "| {name} | {} | {} |", cells(strings, string), cells(numbers, number));
    }
    text
}

fn hundredths(cost: Cost) -> String {
    let (whole, part) = (cost.allocations / 100, cost.allocations % 100);
    if part == 0 { whole.to_string() } else { format!("{whole}.{part:02}") }
}

pub(crate) fn durations(title: &str, rows: &[Row]) -> Chart {
    let bar = rows.iter().find_map(|row| row.bar);
    let bars = rows.iter().map(|row| Bar::spread(row.name, row.ratio)).collect();
    let goal = bar.map_or((1.0, "bare moka".to_owned()), |bar| (bar, format!("goal {bar}")));
    Chart {
        title: format!("The cache: {}", title.replace('`', "")),
        unit: "processor time as a multiple of bare moka's beside it: medians and quartiles; less is better".to_owned(),
        groups: vec![Group { goal: Some(goal), ..Group::new("", bars) }],
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn costs(strings: &Counts) -> Chart {
    let bar = |(name, cost): &(&str, Cost)| Bar::new(*name, cost.instructions as f64, cost.instructions.to_string());
    Chart {
        title: "The cache: instructions per hit".to_owned(),
        unit: "String keys; fewer are better".to_owned(),
        groups: vec![Group::new("", strings.iter().map(bar).collect())],
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn stale(behaviours: &[Behaviour]) -> Chart {
    let stale = |one: &Behaviour| Bar::new(one.name, one.told.stale as f64, format!("{} of {}", one.told.stale, one.told.reads));
    Chart {
        title: "Stale reads: values older than what was invalidated before the read began".to_owned(),
        unit: "in one history of reads, writes, invalidations and loads, the same for all; none is right".to_owned(),
        groups: vec![Group::new("", behaviours.iter().map(stale).collect())],
    }
}

pub(crate) fn json(times: &[Times], counts: Option<&[Counts; 2]>, behaviours: &[Behaviour]) -> Value {
    let spread = |spread: &shared::Spread| json!({ "low": spread.low, "median": spread.median, "high": spread.high });
    let row = |row: &Row| {
        json!({
            "subject": row.name, "times_bare": spread(&row.ratio), "nanoseconds": spread(&row.nanoseconds),
            "bar": row.bar, "within_bar": row.is_met(),
        })
    };
    let times: Vec<_> =
        times.iter().map(|times| json!({ "what": times.title, "rows": times.rows.iter().map(row).collect::<Vec<_>>() })).collect();
    let count = |(name, cost): &(&str, Cost)| json!({ "subject": name, "instructions": cost.instructions, "hundredths_of_allocations": cost.allocations });
    let counts = counts.map(|[strings, numbers]| {
        let [strings, numbers] = [strings, numbers].map(|counts| counts.iter().map(count).collect::<Vec<_>>());
        json!({ "strings": strings, "numbers": numbers })
    });
    let behaviour = |one: &Behaviour| {
        json!({
            "subject": one.name, "loads": one.loads, "keeps_stale": one.keeps_stale, "answered": one.answered, "reads": one.told.reads,
            "stale_reads": one.told.stale, "invalidations": one.told.invalidations, "invalidations_during_loads": one.told.during_loads,
        })
    };
    json!({ "times": times, "counts": counts, "behaviour": behaviours.iter().map(behaviour).collect::<Vec<_>>() })
}
