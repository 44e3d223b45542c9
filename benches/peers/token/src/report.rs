//! The table, and its charts.

use std::{fmt::Write as _, hint::black_box};

use serde_json::{Value, json};
use shared::{Bar, Chart, Cost, Group, Report, Spread, Used, counted};

use crate::{
    cart::Cart,
    subject::{Case, Sealer, Subject},
};

/// N of the N and 2N operations whose instructions are differenced.
const COUNTED: u64 = 500;

/// Operations of one run whose time is taken.
const TIMED: u64 = 500;

const ROUNDS: usize = 21;

/// Where `measured` is.
const MODULE: &str = "token::report";

struct Row {
    subject: Subject,
    case: Case,
    /// Allocations in hundredths.
    cost: Cost,
    nanoseconds: Spread,
    /// Of the cookie's value.
    bytes: usize,
}

/// Measures everything, prints the table and keeps it in the target directory.
pub(crate) fn report() -> Result<Vec<String>, String> {
    let (cart, mut all) = (Cart::new(), Vec::new());
    for case in Case::ALL {
        for subject in Subject::ALL {
            let sealer = subject.sealer()?;
            let token = sealer.seal(&cart)?;
            if sealer.open(&token)? != cart {
                return Err(format!("{} opens another cart than it sealed", subject.name()));
            }
            all.push((subject, case, sealer, token));
        }
    }
    let mut times = vec![Vec::with_capacity(ROUNDS); all.len()];
    for round in 0..ROUNDS {
        for turn in 0..all.len() {
            let at = (turn + round) % all.len();
            let (_, case, sealer, token) = &all[at];
            let start = Used::now();
            measured(sealer, *case, &cart, token, TIMED)?;
            times[at].push(start.elapsed().as_secs_f64() * 1e9 / TIMED as f64);
        }
    }
    let mut rows = Vec::new();
    for ((subject, case, _, token), times) in all.iter().zip(times) {
        eprintln!("counting {} {} ...", subject.name(), case.name());
        let once = cost(*subject, *case, COUNTED)?;
        let twice = cost(*subject, *case, 2 * COUNTED)?;
        let each = |more: i64| i64::try_from(COUNTED).map(|count| more / count).map_err(|_| "too many operations");
        let cost = Cost {
            instructions: each(twice.instructions - once.instructions)?,
            allocations: each(100 * (twice.allocations - once.allocations))?,
        };
        rows.push(Row { subject: *subject, case: *case, cost, nanoseconds: Spread::of(times), bytes: token.len() });
    }
    let mut report = Report::new("token", "Sessions in a token", "cargo xtask bench token", &["jsonwebtoken"]);
    report.section("Sealing and opening", &markdown(&rows)?, [("cost", chart(&rows))]);
    report.finish(&json(&rows))?;
    Ok(Vec::new())
}

fn cost(subject: Subject, case: Case, count: u64) -> Result<Cost, String> {
    counted(MODULE, &["run", subject.name(), case.name(), &count.to_string()])
}

/// One case alone.
pub(crate) fn run(subject: &str, case: &str, count: &str) -> Result<(), String> {
    let subject = Subject::ALL.into_iter().find(|one| one.name() == subject).ok_or_else(|| format!("no subject {subject}"))?;
    let case = Case::ALL.into_iter().find(|one| one.name() == case).ok_or_else(|| format!("no case {case}"))?;
    let count = count.parse().map_err(|_| format!("{count} is not a number"))?;
    let (cart, sealer) = (Cart::new(), subject.sealer()?);
    let token = sealer.seal(&cart)?;
    measured(&sealer, case, &cart, &token, count)
}

#[inline(never)]
fn measured(sealer: &Sealer, case: Case, cart: &Cart, token: &str, count: u64) -> Result<(), String> {
    for _ in 0..count {
        match case {
            Case::Seal => drop(black_box(sealer.seal(black_box(cart))?)),
            Case::Open => drop(black_box(sealer.open(black_box(token))?)),
        }
    }
    Ok(())
}

fn markdown(rows: &[Row]) -> Result<String, String> {
    let size = serde_json::to_vec(&Cart::new()).map_err(|error| error.to_string())?.len();
    let mut text = format!(
        "Sessions of {size} bytes in tokens: instructions, allocations and processor time per operation, time as median (quartiles) of {ROUNDS} rounds; \
         jsonwebtoken with `rust_crypto`. A token lives in the client: survivors and revived sessions are not promised, as the last response wins.\n\n\
         | operation | subject | bytes of cookie | instructions | times ours | allocations | ns | times ours |\n|---|---|---:|---:|---:|---:|---:|---:|\n"
    );
    for Row { subject, case, cost, nanoseconds, bytes } in rows {
        let ours = rows.iter().find(|row| row.case == *case && row.subject.peer() == Some(*subject));
        #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let [counts, times] = ours.map_or_else(Default::default, |ours| {
            let times = [cost.instructions as f64 / ours.cost.instructions as f64, nanoseconds.median / ours.nanoseconds.median];
            times.map(|times| format!("{times:.2}"))
        });
        let (case, subject, instructions) = (case.name(), subject.name(), cost.instructions);
        let allocations = format!("{}.{:02}", cost.allocations / 100, cost.allocations % 100);
        let _ = writeln!(text, "| {case} | {subject} | {bytes} | {instructions} | {counts} | {allocations} | {nanoseconds:.0} | {times} |");
    }
    Ok(text)
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn chart(rows: &[Row]) -> Chart {
    let bar = |row: &Row| Bar::new(row.subject.name(), row.cost.instructions as f64, row.cost.instructions.to_string());
    let group = |case: Case| Group::new(case.name(), rows.iter().filter(|row| row.case == case).map(bar).collect());
    Chart {
        title: "Instructions to seal a session of 1 KB into a token, and to open it".to_owned(),
        unit: "JSON, claims, base64, signature or cipher, and the checks within; fewer are better".to_owned(),
        groups: Case::ALL.into_iter().map(group).collect(),
    }
}

fn json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let Row { subject, case, cost, nanoseconds, bytes } = row;
        json!({
            "operation": case.name(), "subject": subject.name(), "bytes": bytes, "instructions": cost.instructions,
            "hundredths_of_allocations": cost.allocations, "nanoseconds": nanoseconds.median,
        })
    };
    rows.iter().map(row).collect()
}
