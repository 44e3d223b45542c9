//! Seeded races at the level of the store: slow writers against ends, expiry, rotation and promotion.
//!
//! Each schedule plays random steps on one session and compares every answer, and the standing of every id after every
//! step, with a small model: what is dead is never alive again, and a change is either in or refused. A second half
//! runs writers and an end or rotation really at the same time.
//!
//! `UNSTICK_SCHEDULES` sets how many schedules are run, `UNSTICK_SEED` the first seed; a failure names the seed that repeats it.
//!
//! ```
//! use unstick_testkit::{mutants::{BrokenStores, Defect}, races};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let summary = races::run(&BrokenStores(Defect::None), 7, 100).await.unwrap();
//! assert!(summary.refused > 0 && summary.applied > 0);
//! assert!(races::run(&BrokenStores(Defect::NoTombstone), 7, 100).await.is_err());
//! # });
//! ```

mod model;
mod parallel;
mod schedule;

use unstick_core::Timestamp;

use crate::contract::{Bench, Failure, StoreFactory};

/// What the schedules came to: a history in which nothing was refused proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Changes that are in.
    pub applied: u64,
    /// Changes of a dead id that were refused.
    pub refused: u64,
    /// Writes refused as late.
    pub late: u64,
    /// Writes delivered again, without effect.
    pub repeated: u64,
    /// Changes let in under an id in its grace.
    pub graced: u64,
    /// Rotations and promotions.
    pub rotated: u64,
    /// Sessions ended.
    pub ended: u64,
}

impl Summary {
    /// Whether every kind of thing happened at least once.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        let Self { applied, refused, late, repeated, graced, rotated, ended } = *self;
        [applied, refused, late, repeated, graced, rotated, ended].iter().all(|count| *count > 0)
    }
}

/// Plays `schedules` schedules, seeded `seed`, `seed + 1` and so on, on one store.
///
/// # Errors
/// The first failure, with the seed that repeats it.
pub async fn run<F: StoreFactory>(factory: &F, seed: u64, schedules: u32) -> Result<Summary, Failure> {
    let at = Bench::open(factory).await;
    let mut summary = Summary::default();
    for seed in (0..u64::from(schedules)).map(|n| seed.wrapping_add(n)) {
        let name = |failure: Failure| Failure::new(format!("{failure}; repeat it with UNSTICK_SEED={seed} UNSTICK_SCHEDULES=1"));
        let schedule = schedule::Schedule::new(&at, seed, &mut summary).await.map_err(name)?;
        schedule.run().await.map_err(name)?;
        parallel::run(&at, seed, &mut summary).await.map_err(name)?;
    }
    Ok(summary)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Plays `schedules` schedules, or as many as `UNSTICK_SCHEDULES` says, on a runtime of its own, and prints seed and counts.
///
/// # Panics
/// When a schedule fails, or when a hundred or more of them leave something out: this is for tests.
pub fn run_seeded<F: StoreFactory>(factory: &F, schedules: u32) {
    let schedules = number("UNSTICK_SCHEDULES").and_then(|number| u32::try_from(number).ok()).unwrap_or(schedules);
    let seed = number("UNSTICK_SEED").unwrap_or_else(|| Timestamp::system_now().as_millis().unsigned_abs());
    println!("{schedules} schedules from seed {seed}");
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    };
    match runtime.block_on(run(factory, seed, schedules)) {
        Ok(summary) => {
            println!("{summary:?}");
            // Of the kinds of things, only repeated deliveries may be left out, by a factory that says so.
            let telling = Summary { repeated: summary.repeated.max(u64::from(!factory.remembers())), ..summary }.is_telling();
            assert!(schedules < 100 || telling, "the schedules left something out: {summary:?}");
        }
        Err(failure) => panic!("{failure}"),
    }
}
