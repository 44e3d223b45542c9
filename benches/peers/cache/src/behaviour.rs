//! What is right and what is not, tried out: a stampede, an invalidation during a load, and a caller that leaves while it loads.

use std::{
    fmt::Write as _,
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use shared::{Spread, missed};

use crate::{
    history::{self, Told},
    source::Source,
    subjects::{Bare, Cached, Foyer, Hitbox, MokaFuture, OnQuick, Quick, Unstick},
};

pub(crate) const CALLERS: usize = 1000;

/// Those who wait for a load whose caller leaves.
const WAITERS: usize = 100;

/// How long nobody hangs.
const PATIENCE: Duration = Duration::from_secs(5);

struct Outcome {
    /// Of a stampede.
    loads: usize,
    took: Duration,
    /// Whether a value that was invalidated while it was loaded is served afterwards.
    keeps_stale: bool,
    /// Of those who wait for a load whose caller left: answered, and loads.
    left: (usize, usize),
}

type Trial = fn() -> Pin<Box<dyn Future<Output = Result<Outcome, String>>>>;

type Telling = fn() -> Result<Told, String>;

/// Who is tried: its name, how, and in a [history].
const SUBJECTS: [(&str, Trial, Telling); 7] = [
    ("unstick", || Box::pin(outcome::<Unstick<u64>>()), history::tell::<Unstick<u64>>),
    ("unstick on quick_cache", || Box::pin(outcome::<OnQuick<u64>>()), history::tell::<OnQuick<u64>>),
    ("moka::sync, get and insert", || Box::pin(outcome::<Bare<u64>>()), history::tell::<Bare<u64>>),
    ("moka::future, get_with", || Box::pin(outcome::<MokaFuture<u64>>()), history::tell::<MokaFuture<u64>>),
    ("foyer", || Box::pin(outcome::<Foyer<u64>>()), history::tell::<Foyer<u64>>),
    ("quick_cache", || Box::pin(outcome::<Quick<u64>>()), history::tell::<Quick<u64>>),
    ("hitbox on moka", || Box::pin(outcome::<Hitbox<u64>>()), history::tell::<Hitbox<u64>>),
];

/// What was seen of a subject, the worst of all rounds.
pub(crate) struct Behaviour {
    pub(crate) name: &'static str,
    pub(crate) loads: usize,
    /// Milliseconds.
    pub(crate) took: Spread,
    pub(crate) keeps_stale: bool,
    pub(crate) answered: usize,
    pub(crate) again: usize,
    pub(crate) told: Told,
}

impl Behaviour {
    pub(crate) fn is_ours(&self) -> bool {
        self.name.starts_with("unstick")
    }

    /// What ours misses.
    pub(crate) fn missed(&self) -> Vec<String> {
        let wanted = [
            (self.loads == 1, "loads for concurrent misses", self.loads, 1),
            (!self.keeps_stale, "invalidated values served", usize::from(self.keeps_stale), 0),
            (self.answered == WAITERS, "answered although the caller left", self.answered, WAITERS),
            (self.told.stale == 0, "stale reads in the history", self.told.stale, 0),
        ];
        let missing = wanted.into_iter().filter(|(is_met, ..)| self.is_ours() && !is_met);
        missing.map(|(_, what, is, bar)| missed(&format!("{}: {what}", self.name), is, bar)).collect()
    }
}

pub(crate) fn all(rounds: usize) -> Result<Vec<Behaviour>, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    let mut all: Vec<Vec<Outcome>> = SUBJECTS.map(|_| Vec::new()).into();
    for round in 0..rounds {
        for turn in 0..SUBJECTS.len() {
            let at = (turn + round) % SUBJECTS.len();
            eprintln!("behaviour of {} ...", SUBJECTS[at].0);
            all[at].push(runtime.block_on(SUBJECTS[at].1())?);
        }
    }
    let behaviour = |(name, _, tell): (&'static str, _, Telling), outcomes: Vec<Outcome>| {
        Ok(Behaviour {
            name,
            loads: outcomes.iter().map(|one| one.loads).max().unwrap_or_default(),
            took: Spread::of(outcomes.iter().map(|one| one.took.as_secs_f64() * 1e3)),
            keeps_stale: outcomes.iter().any(|one| one.keeps_stale),
            answered: outcomes.iter().map(|one| one.left.0).min().unwrap_or_default(),
            again: outcomes.iter().map(|one| one.left.1).max().unwrap_or_default(),
            told: tell().map_err(|error| format!("{name}: {error}"))?,
        })
    };
    SUBJECTS.into_iter().zip(all).map(|(subject, outcomes)| behaviour(subject, outcomes)).collect()
}

/// The table.
pub(crate) fn table(all: &[Behaviour], rounds: usize) -> String {
    let mut text = format!(
        "{CALLERS} concurrent misses of one key, an invalidation during a load, and {WAITERS} who wait for a load whose caller leaves: \
         the worst of {rounds} rounds. A read is stale when it returns less than what was written, and invalidated, before it began; the history is \
         the same for all, seed {:#x}, {} keys, {} steps. hitbox has no way to invalidate: its values were taken out of its backend.\n\n\
         | subject | loads for {CALLERS} misses | ms from the load's end to the last answer | serves what was invalidated while it was loaded \
         | caller left: answered, loads | stale reads in the history | its invalidations, those during a load |\n|---|---:|---:|---|---|---:|---:|\n",
        history::SEED,
        history::KEYS,
        history::STEPS,
    );
    for one in all {
        let Behaviour { name, loads, took, keeps_stale, answered, again, told } = one;
        let keeps = if *keeps_stale { "**yes**" } else { "no" };
        let Told { reads, stale, invalidations, during_loads } = told;
        let _ = writeln!(
            text,
            "| {name} | {loads} | {took:.1} | {keeps} | {answered} of {WAITERS}, {again} | {stale} of {reads} | {invalidations}, {during_loads} |"
        );
    }
    text
}

async fn outcome<C: Cached<u64>>() -> Result<Outcome, String> {
    let (loads, took) = stampede::<C>().await?;
    Ok(Outcome { loads, took, keeps_stale: keeps_stale::<C>().await?, left: caller_left::<C>().await? })
}

async fn stampede<C: Cached<u64>>() -> Result<(usize, Duration), String> {
    let (cache, source) = (C::new(1000)?, Source::gated());
    let callers: Vec<_> = (0..CALLERS).map(|_| spawn(&cache, source)).collect();
    begun(source).await?;
    // all have come by then; those who have not find the value
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    source.open();
    for caller in callers {
        within(caller).await??;
    }
    Ok((source.loads(), start.elapsed()))
}

async fn keeps_stale<C: Cached<u64>>() -> Result<bool, String> {
    let (cache, source) = (C::new(1000)?, Source::gated());
    let load = spawn(&cache, source);
    begun(source).await?;
    source.write();
    cache.forget(&7).await;
    source.open();
    within(load).await??;
    let found = within(spawn(&cache, source)).await??;
    Ok(C::version(&found) == 1)
}

async fn caller_left<C: Cached<u64>>() -> Result<(usize, usize), String> {
    let (cache, source) = (C::new(1000)?, Source::gated());
    let leader = spawn(&cache, source);
    begun(source).await?;
    let waiters: Vec<_> = (0..WAITERS).map(|_| spawn(&cache, source)).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    leader.abort();
    source.open();
    let end = tokio::time::Instant::now() + PATIENCE;
    let mut answered = 0;
    for waiter in waiters {
        answered += usize::from(matches!(tokio::time::timeout_at(end, waiter).await, Ok(Ok(Ok(_)))));
    }
    Ok((answered, source.loads()))
}

fn spawn<C: Cached<u64>>(cache: &C, source: &'static Source) -> tokio::task::JoinHandle<Result<C::Value, String>> {
    let cache = cache.clone();
    tokio::spawn(async move { cache.load(7, source).await })
}

async fn within<T>(task: tokio::task::JoinHandle<T>) -> Result<T, String> {
    let done = tokio::time::timeout(PATIENCE, task).await.map_err(|_| "a caller hangs")?;
    done.map_err(|error| error.to_string())
}

/// A load is under way.
async fn begun(source: &Source) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    while source.loads() == 0 {
        if Instant::now() > end {
            return Err("no load began".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
