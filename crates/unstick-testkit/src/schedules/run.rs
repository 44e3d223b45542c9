use std::{fmt, ops::Range};

use super::{Counts, Family, Subjects};

/// How many schedules of a family are played unless `UNSTICK_SCHEDULES` says otherwise.
const SCHEDULES: u64 = 10_000;

/// A schedule that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Its family.
    pub family: Family,
    /// Its seed.
    pub seed: u64,
    /// What happened.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, seed, reason } = self;
        write!(f, "{family}, seed {seed}: {reason}; repeat it with UNSTICK_SEED={seed} UNSTICK_SCHEDULES=1")
    }
}

/// What a family came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// How many schedules were played.
    pub schedules: u64,
    /// Those that went wrong.
    pub failures: Vec<Failure>,
    /// Of those that went well, together.
    pub counts: Counts,
    /// How many steps were made, over all schedules.
    pub steps: u64,
    /// Stands for their order: the same seeds on the same caches make the same steps.
    pub hash: u64,
}

/// Plays a family's schedules of these seeds.
pub fn run(subjects: &impl Subjects, family: Family, seeds: Range<u64>) -> Outcome {
    let mut outcome = Outcome { schedules: 0, failures: Vec::new(), counts: Counts::default(), steps: 0, hash: 0 };
    for seed in seeds {
        outcome.schedules += 1;
        let (verdict, trace) = family.play(subjects, seed);
        outcome.steps += trace.steps;
        outcome.hash = outcome.hash.rotate_left(7) ^ trace.hash;
        match verdict {
            Ok(counts) => outcome.counts.add(&counts),
            Err(reason) => outcome.failures.push(Failure { family, seed, reason }),
        }
    }
    outcome
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Plays 10 000 schedules, or as many as `UNSTICK_SCHEDULES` says, none of which may go wrong, and prints what they came to.
///
/// # Panics
/// With the first failures, or when a hundred schedules or more leave out what they are about: this is for tests.
pub fn assert_sound(subjects: &impl Subjects, family: Family) -> Counts {
    let (first, schedules) = (number("UNSTICK_SEED").unwrap_or(0), number("UNSTICK_SCHEDULES").unwrap_or(SCHEDULES));
    let Outcome { failures, counts, .. } = run(subjects, family, first..first.saturating_add(schedules));
    println!("{family}: {schedules} schedules from seed {first}: {counts:?}");
    let shown: Vec<String> = failures.iter().take(5).map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} of {schedules} went wrong:\n{}", failures.len(), shown.join("\n"));
    if schedules >= 100 {
        let Counts { hits, loads, overtaken, joined, background, notices, .. } = counts;
        assert!(hits > 0 && loads > 0 && overtaken > 0 && joined > 0, "{family} proves nothing: {counts:?}");
        let in_background = matches!(family, Family::EarlyRefresh | Family::TimedOut);
        assert!(!in_background || background > 0, "{family} loaded nothing in the background: {counts:?}");
        assert!(!family.is_distributed() || notices > 0, "{family} heard of nothing: {counts:?}");
    }
    counts
}

/// Plays a thousand schedules, of which at least one must go wrong, and prints the first that does.
///
/// # Panics
/// When none does: the family does not catch what it is for.
pub fn assert_caught(subjects: &impl Subjects, family: Family) -> Vec<Failure> {
    let Outcome { failures, schedules, .. } = run(subjects, family, 0..1000);
    match failures.first() {
        Some(first) => println!("{} of {schedules} caught; {first}", failures.len()),
        None => panic!("{family} caught nothing in {schedules} schedules"),
    }
    failures
}
