//! What is measured, and kept.

use std::{future::Future, time::Duration};

use shared::{Report, Spread, missed};
use unstick_testkit::servers::RedisServer;

use crate::{
    correctness,
    cpu::Used,
    server,
    subjects::{self, Subject},
    tables, wire,
};

/// Rounds unless told otherwise.
pub(crate) const ROUNDS: usize = 9;

/// Operations of one run.
pub(crate) const OPERATIONS: usize = 16_000;

/// Everything; which bars are missed.
pub(crate) fn report(rounds: usize) -> Result<Vec<String>, String> {
    let server = server::start()?;
    block_on(async {
        let commands = wire::count(&server).await?;
        let seen = correctness::seen(&server).await?;
        let (get, all) = subjects::all(&server).await?;
        let speed = measure(&server, &get, &all, rounds).await?;
        let crates = ["fred", "axum", "tower-sessions", "tower-sessions-redis-store"];
        let mut report = Report::new("redis", "Sessions in Redis", "cargo xtask bench redis", &crates);
        report.section("At a glance", &tables::glance(&speed, &commands, &seen), [("survivors", sessions::survivors(&seen))]);
        report.section("Commands on the wire per request", &tables::commands(&commands), [("commands", tables::trips(&commands))]);
        report.section("Speed", &tables::speed(&speed, rounds), [("speed", tables::ratios(&speed))]);
        report.finish(&tables::json(&speed, &commands, &seen))?;
        let slow = speed.iter().filter_map(Row::missed);
        Ok(slow.chain(tables::too_many(&commands)).chain(correctness::wrong(&seen)).collect())
    })
}

/// The speed of some subjects alone.
pub(crate) fn only(subjects: &str, rounds: usize) -> Result<Vec<String>, String> {
    let server = server::start()?;
    block_on(async {
        let (get, mut all) = subjects::all(&server).await?;
        all.retain(|one| subjects.split(',').any(|name| name == one.name));
        let speed = measure(&server, &get, &all, rounds).await?;
        println!("{}", tables::speed(&speed, rounds));
        Ok(speed.iter().filter_map(Row::missed).collect())
    })
}

/// Only the commands on the wire.
pub(crate) fn wire_alone() -> Result<Vec<String>, String> {
    let server = server::start()?;
    let commands = block_on(wire::count(&server))?;
    println!("{}", tables::commands(&commands));
    Ok(tables::too_many(&commands))
}

/// Only what becomes of sessions.
pub(crate) fn correctness_alone() -> Result<Vec<String>, String> {
    let server = server::start()?;
    let seen = block_on(correctness::seen(&server))?;
    println!("| subject | {} | Set-Cookie headers per read |\n|---|---:|---:|---:|---:|---:|---:|", sessions::columns());
    for (subject, seen) in &seen {
        println!("| {subject} | {} | {} |", seen.cells(), seen.cookies_of_a_read);
    }
    Ok(correctness::wrong(&seen).into_iter().collect())
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
pub(crate) struct Row<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) ratio: Spread,
    /// Thousands per second.
    pub(crate) rate: Spread,
    /// Microseconds of processor time per operation, here and in the server.
    pub(crate) client: Spread,
    pub(crate) server: Spread,
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
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.subject.bar.map(|bar| self.ratio.median >= bar)
    }

    fn missed(&self) -> Option<String> {
        let bar = self.subject.bar.filter(|_| self.is_met() == Some(false))?;
        Some(missed(self.subject.what, self.ratio, bar))
    }

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
