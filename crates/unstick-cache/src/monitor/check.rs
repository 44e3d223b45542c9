//! Comparisons, one after the other, when they are due.

use std::{
    collections::BTreeMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use futures_util::{FutureExt, future::select};
use tokio::sync::{Notify, watch};
use unstick_core::{ConfigError, EventKind};

use super::{
    builder::Source,
    report::{Counts, MonitorReport, Stage},
    watched::Watched,
};
use crate::{
    Cache, CacheKey,
    cache::{Inner, within},
    entry::{Content, Nanos, nanos},
    stats::count,
    sync::{AtomicU64, Mutex, Ordering},
};

/// Between two looks at a difference.
const AGAIN: Duration = Duration::from_millis(200);

/// A running monitor. Cheap to clone; ends with the last clone. See the [module docs](super).
#[derive(Clone)]
pub struct Monitor {
    state: Arc<State>,
    /// Tells the task when nobody is left.
    _alive: Arc<watch::Sender<()>>,
}

struct State {
    after: Vec<(Duration, Counts)>,
    skipped: AtomicU64,
}

impl Monitor {
    /// What was found so far.
    #[must_use]
    pub fn report(&self) -> MonitorReport {
        let stage = |(after, counts): &(Duration, Counts)| Stage {
            after: *after,
            process: counts.process.findings(),
            level: counts.level.findings(),
        };
        MonitorReport { after: self.state.after.iter().map(stage).collect(), skipped: self.state.skipped.load(Ordering::Relaxed) }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Monitor").field(&self.report()).finish()
    }
}

/// A comparison to be made.
struct Due<K> {
    key: K,
    hash: u64,
    stage: usize,
}

struct Plan<K> {
    due: Mutex<BTreeMap<(Nanos, u64), Due<K>>>,
    number: AtomicU64,
    come: Notify,
    most: usize,
}

pub(super) fn start<K, V>(
    cache: Cache<K, V>,
    source: Source<K, V>,
    share: f64,
    after: Vec<Duration>,
    most: usize,
) -> Result<Monitor, ConfigError>
where
    K: CacheKey,
    V: Clone + PartialEq + Send + Sync + 'static,
{
    let inner = cache.inner;
    let watched = Arc::new(Watched::new(share, most));
    let plan = Arc::new(Plan { due: Mutex::new(BTreeMap::new()), number: AtomicU64::new(0), come: Notify::new(), most });
    let state = Arc::new(State { after: after.into_iter().map(|after| (after, Counts::default())).collect(), skipped: AtomicU64::new(0) });
    let (alive, ended) = watch::channel(());
    let noting = Arc::downgrade(&watched);
    let watch = Box::new(move |key: &K, hash, tags: &[_]| {
        if let Some(watched) = noting.upgrade() {
            watched.note(key, hash, tags);
        }
    });
    if inner.watch.set(watch).is_err() {
        return Err(ConfigError::new("the cache has a `monitor` already: start one and clone it"));
    }
    let hook = {
        let (watched, plan, state) = (Arc::downgrade(&watched), Arc::downgrade(&plan), Arc::downgrade(&state));
        let shared = Arc::downgrade(&inner.shared);
        move |told: &crate::Invalidation<'_>| {
            let (Some(watched), Some(plan), Some(state), Some(shared)) =
                (watched.upgrade(), plan.upgrade(), state.upgrade(), shared.upgrade())
            else {
                return;
            };
            let now = shared.now();
            for (hash, key) in watched.reached(told.target(), &shared.generations) {
                plan.add(&state, now, hash, &key);
            }
        }
    };
    inner.shared.hooks.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(hook));
    let task = run(Arc::downgrade(&inner), source, plan, watched, state.clone(), ended);
    inner.shared.runtime.spawn(Box::pin(task));
    Ok(Monitor { state, _alive: Arc::new(alive) })
}

impl<K: Clone> Plan<K> {
    fn add(&self, state: &State, now: Nanos, hash: u64, key: &K) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        for (stage, (after, _)) in state.after.iter().enumerate() {
            if due.len() >= self.most {
                count(&state.skipped);
                continue;
            }
            let at = (now.saturating_add(nanos(*after)), self.number.fetch_add(1, Ordering::Relaxed));
            due.insert(at, Due { key: key.clone(), hash, stage });
        }
        drop(due);
        self.come.notify_one();
    }

    /// What is due, or how long nothing will be.
    fn next(&self, now: Nanos) -> Result<Due<K>, Option<Duration>> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        match due.first_entry() {
            Some(first) if first.key().0 <= now => Ok(first.remove()),
            Some(first) => Err(Some(Duration::from_nanos(first.key().0 - now))),
            None => Err(None),
        }
    }
}

async fn run<K, V>(
    inner: Weak<Inner<K, V>>,
    source: Source<K, V>,
    plan: Arc<Plan<K>>,
    _watched: Arc<Watched<K>>,
    state: Arc<State>,
    mut ended: watch::Receiver<()>,
) where
    K: CacheKey,
    V: Clone + PartialEq + Send + Sync + 'static,
{
    let work = async {
        loop {
            let Some(cache) = inner.upgrade() else { return };
            let runtime = cache.shared.runtime.clone();
            match plan.next(cache.shared.now()) {
                Ok(due) => {
                    let stage = &state.after[due.stage].1;
                    // the source is the application's: it may panic, and it may hang
                    let compared = AssertUnwindSafe(compare(&cache, &source, &due, stage)).catch_unwind();
                    if !matches!(within(&runtime, cache.settings.load_limit, compared).await, Some(Ok(Some(())))) {
                        count(&state.skipped);
                    }
                }
                Err(wait) => {
                    drop(cache);
                    let come = std::pin::pin!(plan.come.notified());
                    // without anything due it still looks now and then whether its cache is gone
                    let pause = std::pin::pin!(runtime.sleep(wait.unwrap_or(Duration::from_secs(60))));
                    _ = select(come, pause).await;
                }
            }
        }
    };
    _ = select(std::pin::pin!(work), std::pin::pin!(ended.changed())).await;
}

/// What differs from the source.
#[derive(PartialEq)]
struct Differences {
    process: Option<bool>,
    level: Option<bool>,
}

/// `None`: it could not be judged.
async fn compare<K, V>(cache: &Inner<K, V>, source: &Source<K, V>, due: &Due<K>, counts: &Counts) -> Option<()>
where
    K: CacheKey,
    V: Clone + PartialEq + Send + Sync + 'static,
{
    let name = cache.name(due.key.clone());
    let start = cache.shared.generations.now();
    let is_quiet = || cache.shared.generations.is_valid(start, name.stripe, &[]);
    let mut found = look(cache, source, due).await?;
    if found.process == Some(true) || found.level == Some(true) {
        // a change that is in the source, and whose invalidation is on its way, is none
        cache.shared.runtime.sleep(AGAIN).await;
        found = look(cache, source, due).await?;
    }
    if !is_quiet() {
        return None;
    }
    for (differs, pair) in [(found.process, &counts.process), (found.level, &counts.level)] {
        if let Some(differs) = differs {
            pair.note(!differs);
            if differs {
                cache.shared.events.emit(EventKind::CacheInconsistent, None, &cache.name);
            }
        }
    }
    Some(())
}

async fn look<K, V>(cache: &Inner<K, V>, source: &Source<K, V>, due: &Due<K>) -> Option<Differences>
where
    K: CacheKey,
    V: Clone + PartialEq + Send + Sync + 'static,
{
    let process = cache.peek(&due.key);
    let level = match (&cache.shared.level, &cache.codec) {
        (Some(side), Some(codec)) if side.is_usable() => {
            let name = cache.name(due.key.clone());
            let read = side.ask(side.level().read(side.op(), &name.text, cache.settings.schema)).await.ok()?;
            read.filter(|value| !value.fresh.is_zero()).and_then(|value| Some(codec.open(due.hash, &value.bytes)?.value))
        }
        _ => None,
    };
    let truth = source(due.key.clone()).await.ok()?;
    let process = process.and_then(|content| match content {
        Content::Value(value) => Some(Some(value)),
        Content::Absent => Some(None),
        Content::Failed(_) => None,
    });
    Some(Differences { process: process.map(|held| held != truth), level: level.map(|held| held != truth) })
}
