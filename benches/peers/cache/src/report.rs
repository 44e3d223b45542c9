//! The tables, against the bars.

use std::sync::Barrier;

use shared::{Cost, Report, Spread, counted, missed, pairs};
use tokio::runtime::Runtime;

use crate::{
    behaviour::{self, Behaviour},
    keys::Key,
    run::{self, runtime},
    subjects::{Filled, Subject},
    table,
};

/// Rounds unless told otherwise.
pub(crate) const ROUNDS: usize = 31;

/// Hits of one run: every value once, after a run that is not timed. The caches share the processor's.
const HITS: usize = 10_000;

/// Misses of one run.
const MISSES: u64 = 2_000;

/// N of the N and 2N hits whose instructions are differenced.
const COUNTED: usize = 20_000;

/// Most that a hit of ours may take, as a multiple of bare moka's.
const BAR: f64 = 1.3;

/// What a subject reached in all rounds.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Times the reference's time.
    pub(crate) ratio: Spread,
    pub(crate) nanoseconds: Spread,
    /// The most that `ratio` may be.
    pub(crate) bar: Option<f64>,
}

/// Everything; which bars are missed.
pub(crate) fn report(rounds: usize, counts: bool) -> Result<Vec<String>, String> {
    let times = [
        Times { title: "hit, `String` keys", rows: hits::<String>(rounds, 1)? },
        Times { title: "hit, `u64` keys", rows: hits::<u64>(rounds, 1)? },
        Times { title: "hit, `String` keys, two threads at once", rows: hits::<String>(rounds, 2)? },
        Times { title: "miss, the load returns at once, `u64` keys", rows: misses(rounds)? },
    ];
    let trials = rounds.min(9);
    let behaviours = behaviour::all(trials)?;
    let counted = if counts { Some([instructions::<String>("strings")?, instructions::<u64>("numbers")?]) } else { None };
    let crates = ["moka", "foyer-memory", "quick_cache", "hitbox", "hitbox-moka"];
    let mut report = Report::new("cache", "The cache in this process", "cargo xtask bench cache", &crates);
    report.section("At a glance", &table::glance(&times, counted.as_ref(), &behaviours), [("stale", table::stale(&behaviours))]);
    for (end, Times { title, rows }) in ["strings", "numbers", "threads", "misses"].into_iter().zip(&times) {
        report.section(title, &table::times(rows, rounds), [(end, table::durations(title, rows))]);
    }
    if let Some([strings, numbers]) = &counted {
        report.section("Instructions and allocations per hit", &table::counts(strings, numbers), [("cost", table::costs(strings))]);
    }
    report.section("What is right and what is not", &behaviour::table(&behaviours, trials), []);
    report.finish(&table::json(&times, counted.as_ref(), &behaviours))?;
    let slow = times.iter().flat_map(|Times { title, rows }| rows.iter().filter_map(|row| row.missed(title)));
    Ok(slow.chain(behaviours.iter().flat_map(Behaviour::missed)).collect())
}

/// Only what is right and what is not.
pub(crate) fn behaviour_alone() -> Result<Vec<String>, String> {
    let all = behaviour::all(1)?;
    println!("{}", behaviour::table(&all, 1));
    Ok(all.iter().flat_map(Behaviour::missed).collect())
}

/// What was timed, one table of it.
pub(crate) struct Times {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// Per hit; the first of the rows is the reference. Allocations in hundredths.
pub(crate) type Counts = Vec<(&'static str, Cost)>;

impl Row {
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.bar.map(|bar| self.ratio.median <= bar)
    }

    fn missed(&self, title: &str) -> Option<String> {
        let bar = self.bar.filter(|_| self.is_met() == Some(false))?;
        Some(missed(&format!("{title}: {} over bare moka", self.name), self.ratio, bar))
    }
}

fn hits<K: Key>(rounds: usize, threads: usize) -> Result<Vec<Row>, String> {
    let runtimes: Vec<Runtime> = (0..threads).map(|_| runtime()).collect::<Result<_, _>>()?;
    eprintln!("hits, {threads} threads ...");
    // the bar is for one thread: two that share a moment's processor tell more of the machine
    versus::<K>(&Subject::all(), rounds, (threads == 1).then_some(BAR), &|filled, turn| {
        filled.hits(&runtimes[0], 0, HITS);
        let barrier = Barrier::new(threads);
        let slowest = std::thread::scope(|scope| {
            let all: Vec<_> = runtimes[1..]
                .iter()
                .zip(1..)
                .map(|(runtime, thread): (_, usize)| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        filled.hits(runtime, turn * 13 + thread * 4999, HITS)
                    })
                })
                .collect();
            barrier.wait();
            let first = filled.hits(&runtimes[0], turn * 13, HITS);
            all.into_iter().map(|thread| thread.join().unwrap_or_default()).fold(first, Ord::max)
        });
        slowest.as_secs_f64() * 1e9 / HITS as f64
    })
}

fn misses(rounds: usize) -> Result<Vec<Row>, String> {
    eprintln!("misses ...");
    let runtime = runtime()?;
    let subjects: Vec<_> = Subject::<u64>::all().into_iter().filter(Subject::is_loading).collect();
    versus(&subjects, rounds, None, &|filled, turn| {
        filled.misses(&runtime, turn as u64 * MISSES, MISSES).as_secs_f64() * 1e9 / MISSES as f64
    })
}

/// All subjects in turns, each beside the reference.
fn versus<K: Key>(
    subjects: &[Subject<K>],
    rounds: usize,
    bar: Option<f64>,
    time: &dyn Fn(&dyn Filled, usize) -> f64,
) -> Result<Vec<Row>, String> {
    let runtime = runtime()?;
    let bare = Subject::<K>::bare();
    // one for each: what runs more often than the others would find more of itself in the processor's caches
    let partners = subjects.iter().map(|_| bare.fill(&runtime)).collect::<Result<Vec<_>, _>>()?;
    let all = subjects.iter().map(|subject| subject.fill(&runtime)).collect::<Result<Vec<_>, _>>()?;
    let pairs =
        pairs(rounds, all.len(), |at, number, is_reference| Ok(time(if is_reference { &*partners[at] } else { &*all[at] }, number)))?;
    let references: Vec<_> = pairs.iter().flatten().map(|(of_reference, _)| (1.0, *of_reference)).collect();
    let runs = pairs.iter().map(|pairs| pairs.iter().map(|(of_reference, of_subject)| (of_subject / of_reference, *of_subject)).collect());
    let row = |subject: &Subject<K>, runs: &[(f64, f64)]| Row {
        name: subject.name,
        ratio: Spread::of(runs.iter().map(|run| run.0)),
        nanoseconds: Spread::of(runs.iter().map(|run| run.1)),
        bar: bar.filter(|_| subject.has_bar),
    };
    let mut rows = vec![row(&bare, &references)];
    rows.extend(subjects.iter().zip(runs).map(|(subject, runs): (_, Vec<_>)| row(subject, &runs)));
    Ok(rows)
}

/// Instructions and allocations per hit of every subject.
fn instructions<K: Key>(keys: &str) -> Result<Counts, String> {
    let mut rows = Vec::new();
    for subject in std::iter::once(Subject::<K>::bare()).chain(Subject::all()) {
        eprintln!("counting {} {keys} ...", subject.name);
        let once = counted(run::MODULE, &["run", subject.name, keys, &COUNTED.to_string()])?;
        let twice = counted(run::MODULE, &["run", subject.name, keys, &(2 * COUNTED).to_string()])?;
        let each = |more: i64| i64::try_from(COUNTED).map(|count| more / count).map_err(|_| "too many hits");
        let instructions = each(twice.instructions - once.instructions)?;
        rows.push((subject.name, Cost { instructions, allocations: each(100 * (twice.allocations - once.allocations))? }));
    }
    Ok(rows)
}
