//! The tables, against the bars.

use std::{fmt::Write as _, future::Future, time::Duration};

use shared::{Spread, missed, save};
use unstick_testkit::servers::RedisServer;

use crate::{
    cpu::Used,
    load::CONCURRENT,
    server,
    subjects::{self, Subject},
    wire,
};

/// Rounds unless told otherwise.
pub(crate) const ROUNDS: usize = 9;

/// Operations of one run.
const OPERATIONS: usize = 16_000;

/// Both tables; which bars are missed.
pub(crate) fn report(rounds: usize) -> Result<Vec<String>, String> {
    let server = server::start()?;
    block_on(async {
        let (commands, mut misses) = commands(&wire::count(&server).await?);
        println!("{commands}");
        let (get, all) = subjects::all(&server).await?;
        let (speed, missed) = speed(&measure(&server, &get, &all, rounds).await?, rounds);
        println!("{speed}");
        misses.extend(missed);
        save("redis.md", &format!("{commands}\n{speed}"))?;
        Ok(misses)
    })
}

/// The speed of some subjects alone.
pub(crate) fn only(subjects: &str, rounds: usize) -> Result<Vec<String>, String> {
    let server = server::start()?;
    block_on(async {
        let (get, mut all) = subjects::all(&server).await?;
        all.retain(|one| subjects.split(',').any(|name| name == one.name));
        let (speed, misses) = speed(&measure(&server, &get, &all, rounds).await?, rounds);
        println!("{speed}");
        Ok(misses)
    })
}

/// Only the commands on the wire.
pub(crate) fn wire_alone() -> Result<Vec<String>, String> {
    let server = server::start()?;
    let (table, misses) = commands(&block_on(wire::count(&server))?);
    println!("{table}");
    Ok(misses)
}

/// One subject, for a profiler.
pub(crate) fn run(subject: &str, count: usize) -> Result<Vec<String>, String> {
    let server = server::start()?;
    block_on(async {
        let (get, mut all) = subjects::all(&server).await?;
        all.push(get);
        let found = all.iter().find(|one| one.name == subject);
        let names = || all.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
        let took = found.ok_or_else(|| format!("no subject {subject}; there are: {}", names()))?.timed(count).await?;
        println!("{} per second", per_second(count, took));
        Ok(Vec::new())
    })
}

fn block_on<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(future)
}

/// What one subject reached in all rounds.
struct Row<'a> {
    subject: &'a Subject,
    ratio: Spread,
    /// Thousands per second.
    rate: Spread,
    /// Microseconds of processor time per operation, here and in the server.
    client: Spread,
    server: Spread,
}

/// One run of one subject.
#[derive(Clone, Copy)]
struct Figures {
    took: Duration,
    used: Used,
}

async fn figures(server: &RedisServer, subject: &Subject) -> Result<Figures, String> {
    let before = Used::by(server.pid())?;
    let took = subject.timed(OPERATIONS).await?;
    Ok(Figures { took, used: Used::by(server.pid())?.since(before) })
}

async fn measure<'a>(server: &RedisServer, get: &'a Subject, all: &'a [Subject], rounds: usize) -> Result<Vec<Row<'a>>, String> {
    let mut runs = vec![Vec::with_capacity(rounds); all.len()];
    let mut gets = Vec::new();
    for subject in all {
        subject.timed(OPERATIONS / 8).await?;
    }
    for round in 0..rounds {
        eprintln!("round {} of {rounds} ...", round + 1);
        for turn in 0..all.len() {
            // Prime to the numbers of subjects, so that neighbours change, too.
            let at = (turn + round * 7) % all.len();
            let (of_get, of_subject) = if (round + turn) % 2 == 0 {
                let first = figures(server, get).await?;
                (first, figures(server, &all[at]).await?)
            } else {
                let first = figures(server, &all[at]).await?;
                (figures(server, get).await?, first)
            };
            runs[at].push((of_get.took.as_secs_f64() / of_subject.took.as_secs_f64(), of_subject));
            gets.push((1.0, of_get));
        }
    }
    let mut rows = vec![Row::of(get, &gets)];
    rows.extend(all.iter().zip(runs).map(|(subject, runs)| Row::of(subject, &runs)));
    Ok(rows)
}

impl<'a> Row<'a> {
    /// From ratios and figures.
    fn of(subject: &'a Subject, runs: &[(f64, Figures)]) -> Self {
        let spread = |figure: &dyn Fn(&Figures) -> f64| Spread::of(runs.iter().map(|(_, figures)| figure(figures)));
        Row {
            subject,
            ratio: Spread::of(runs.iter().map(|(ratio, _)| *ratio)),
            rate: spread(&|run| per_second(OPERATIONS, run.took) / 1000.0),
            client: spread(&|run| microseconds(run.used.client)),
            server: spread(&|run| microseconds(run.used.server)),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn per_second(count: usize, took: Duration) -> f64 {
    (count as f64 / took.as_secs_f64()).round()
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn microseconds(used: Duration) -> f64 {
    used.as_secs_f64() * 1e6 / OPERATIONS as f64
}

fn speed(rows: &[Row<'_>], rounds: usize) -> (String, Vec<String>) {
    let mut misses = Vec::new();
    let mut text = format!(
        "Ratio to GET of 1 KB beside it, {CONCURRENT} concurrent, {OPERATIONS} operations a run: median (quartiles) of {rounds} rounds\n\n\
         | subject | ratio to GET | bar | thousands per second | client, us of CPU | server, us of CPU |\n|---|---:|---:|---:|---:|---:|\n"
    );
    for Row { subject, ratio, rate, client, server } in rows {
        let bar = subject.bar.map(|bar| {
            let is_met = ratio.median >= bar;
            if !is_met {
                misses.push(missed(subject.what, ratio, bar));
            }
            format!("{bar:.2} {}", if is_met { "met" } else { "MISSED" })
        });
        let _ = writeln!(text, "| {} | {ratio} | {} | {rate:.0} | {client:.1} | {server:.1} |", subject.what, bar.unwrap_or_default());
    }
    (text, misses)
}

fn commands(rows: &[Vec<wire::Commands>]) -> (String, Vec<String>) {
    let mut misses = Vec::new();
    let mut text = format!("Commands on the wire per request\n\n| request | bar | {} |\n|---|---:|", wire::SUBJECTS.join(" | "));
    text.push_str(&"---|".repeat(wire::SUBJECTS.len()));
    text.push('\n');
    for (case, row) in wire::CASES.iter().zip(rows) {
        let bar = case.bar.map(|bar| {
            #[allow(clippy::cast_precision_loss, reason = "bars are small")]
            let is_met = row[0].total() <= bar as f64;
            if !is_met {
                misses.push(missed(&format!("commands of {}", case.name), &row[0], bar));
            }
            format!("{bar} {}", if is_met { "met" } else { "MISSED" })
        });
        let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "| {} | {} | {} |", case.name, bar.unwrap_or_default(), cells.join(" | "));
    }
    (text, misses)
}
