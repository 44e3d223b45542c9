//! What is right and what is not, tried out: a stampede, an invalidation during a load, and a caller that leaves while it loads.

use std::{
    fmt::Write as _,
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use shared::{Spread, missed};

use crate::{
    source::Source,
    subjects::{Cached, Foyer, Hitbox, MokaFuture, OnQuick, Quick, Unstick},
};

const CALLERS: usize = 1000;

/// Those who wait for a load whose caller leaves.
const WAITERS: usize = 100;

/// How long nobody hangs.
const PATIENCE: Duration = Duration::from_secs(5);

struct Outcome {
    /// Of a stampede.
    loads: usize,
    took: Duration,
    /// Whether a value that was invalidated while it was loaded is served afterwards; unknown where nothing can be invalidated.
    keeps_stale: Option<bool>,
    /// Of those who wait for a load whose caller left: answered, and loads.
    left: (usize, usize),
}

type Trial = fn() -> Pin<Box<dyn Future<Output = Result<Outcome, String>>>>;

const SUBJECTS: [(&str, Trial); 6] = [
    ("unstick", || Box::pin(outcome::<Unstick<u64>>())),
    ("unstick on quick_cache", || Box::pin(outcome::<OnQuick<u64>>())),
    ("moka::future", || Box::pin(outcome::<MokaFuture<u64>>())),
    ("foyer", || Box::pin(outcome::<Foyer<u64>>())),
    ("quick_cache", || Box::pin(outcome::<Quick<u64>>())),
    ("hitbox on moka", || Box::pin(outcome::<Hitbox<u64>>())),
];

/// The table, and what ours misses.
pub(crate) fn table(rounds: usize) -> Result<(String, Vec<String>), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    let mut all: Vec<Vec<Outcome>> = SUBJECTS.map(|_| Vec::new()).into();
    for round in 0..rounds {
        for turn in 0..SUBJECTS.len() {
            let at = (turn + round) % SUBJECTS.len();
            eprintln!("behaviour of {} ...", SUBJECTS[at].0);
            all[at].push(runtime.block_on(SUBJECTS[at].1())?);
        }
    }
    let mut text = format!(
        "{CALLERS} concurrent misses of one key, an invalidation during a load, and {WAITERS} who wait for a load whose caller leaves, \
         the worst of {rounds} rounds\n\n\
         | subject | loads for {CALLERS} misses | ms from the load's end to the last answer | serves what was invalidated while it was loaded \
         | caller left: answered, loads |\n|---|---:|---:|---|---|\n"
    );
    let mut misses = Vec::new();
    for ((name, _), outcomes) in SUBJECTS.iter().zip(&all) {
        let loads = outcomes.iter().map(|one| one.loads).max().unwrap_or_default();
        let took = Spread::of(outcomes.iter().map(|one| one.took.as_secs_f64() * 1e3));
        let keeps_stale = outcomes.iter().filter_map(|one| one.keeps_stale).max();
        let answered = outcomes.iter().map(|one| one.left.0).min().unwrap_or_default();
        let again = outcomes.iter().map(|one| one.left.1).max().unwrap_or_default();
        let stale = keeps_stale.map_or("not tried", |is| if is { "**yes**" } else { "no" });
        let _ = writeln!(text, "| {name} | {loads} | {took:.1} | {stale} | {answered} of {WAITERS}, {again} |");
        if name.starts_with("unstick") {
            let wanted = [
                (loads == 1, "loads for concurrent misses", loads.to_string(), "1"),
                (keeps_stale == Some(false), "invalidated values served", stale.to_owned(), "no"),
                (answered == WAITERS, "answered although the caller left", answered.to_string(), "all"),
            ];
            misses.extend(wanted.into_iter().filter(|(is_met, ..)| !is_met).map(|(_, what, is, bar)| missed(what, is, bar)));
        }
    }
    Ok((text, misses))
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

async fn keeps_stale<C: Cached<u64>>() -> Result<Option<bool>, String> {
    // whether it can be invalidated at all
    let (cache, source) = (C::new(1000)?, Source::ready());
    cache.load(7, source).await?;
    cache.forget(&7).await;
    cache.load(7, source).await?;
    if source.loads() < 2 {
        return Ok(None);
    }
    let (cache, source) = (C::new(1000)?, Source::gated());
    let load = spawn(&cache, source);
    begun(source).await?;
    source.write();
    cache.forget(&7).await;
    source.open();
    within(load).await??;
    let found = within(spawn(&cache, source)).await??;
    Ok(Some(C::version(&found) == 1))
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
