use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;
use unstick_core::{Runtime, Timestamp};

use super::{
    Aim, Load, LoadFailed, Mistake, Setup, Versioned,
    level::{Looked, SketchLevel},
};
use crate::{schedules::Tag, sim::Handle};

type Outcome = Option<Result<Versioned, LoadFailed>>;

/// One node: entries, loads that are running, and what was invalidated last.
pub(super) struct Node {
    at: Handle,
    runtime: Runtime,
    setup: Setup,
    level: Option<Arc<SketchLevel>>,
    mistake: Option<Mistake>,
    refused: Arc<AtomicU64>,
    state: Mutex<State>,
}

/// When a load started: on the node's own counter, and on its wall clock, which only a mistake looks at.
#[derive(Clone, Copy)]
struct Start {
    seq: u64,
    wall: Timestamp,
}

#[derive(Default)]
struct State {
    seq: u64,
    keys: HashMap<u64, u64>,
    tags: HashMap<Tag, (u64, Timestamp)>,
    cleared: u64,
    entries: HashMap<u64, Entry>,
    flights: HashMap<u64, Flight>,
    flights_started: u64,
}

#[derive(Clone)]
struct Entry {
    value: Versioned,
    start: Start,
    tagged: Start,
    until: Duration,
}

struct Flight {
    id: u64,
    start: Start,
    outcome: watch::Receiver<Outcome>,
}

impl Node {
    pub(super) fn new(
        at: Handle,
        setup: &Setup,
        level: Option<Arc<SketchLevel>>,
        mistake: Option<Mistake>,
        refused: Arc<AtomicU64>,
    ) -> Self {
        let runtime = at.skewed_runtime();
        Self { at, runtime, setup: setup.clone(), level, mistake, refused, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn start(&self, state: &State) -> Start {
        Start { seq: state.seq, wall: self.runtime.wall() }
    }

    fn key_valid(state: &State, key: u64, start: Start) -> bool {
        state.cleared <= start.seq && state.keys.get(&key).is_none_or(|seq| *seq <= start.seq)
    }

    fn tags_valid(&self, state: &State, value: &Versioned, start: Start) -> bool {
        value.tags().iter().all(|tag| match state.tags.get(tag) {
            None => true,
            Some((_, wall)) if self.is(Mistake::WallClockTags) => *wall < start.wall,
            Some((seq, _)) => *seq <= start.seq,
        })
    }

    fn valid(&self, state: &State, entry: &Entry) -> bool {
        Self::key_valid(state, entry.value.key, entry.start) && self.tags_valid(state, &entry.value, entry.tagged)
    }

    pub(super) async fn get_or_load(self: &Arc<Self>, key: u64, load: Load) -> Result<Versioned, LoadFailed> {
        let now = self.runtime.monotonic();
        let (outcome, kept) = {
            let state = &mut *self.state();
            let kept = state.entries.get(&key).filter(|entry| self.valid(state, entry)).cloned();
            if let Some(entry) = kept.as_ref().filter(|entry| entry.until > now) {
                if self.setup.early_refresh && !state.flights.contains_key(&key) {
                    self.fly(state, key, load, true);
                }
                return Ok(entry.value);
            }
            let running = state
                .flights
                .get(&key)
                .filter(|flight| self.is(Mistake::JoinsAnyFlight) || Self::joinable(state, key, flight.start))
                .map(|flight| flight.outcome.clone());
            (running.unwrap_or_else(|| self.fly(state, key, load, false)), kept)
        };
        self.wait(outcome, kept.is_some()).await.unwrap_or_else(|| {
            // The old value, if it still is one that nobody invalidated.
            let state = self.state();
            kept.filter(|entry| self.valid(&state, entry)).map(|entry| entry.value).ok_or(LoadFailed)
        })
    }

    /// The tags of what is being loaded are not known yet: any later invalidation counts.
    fn joinable(state: &State, key: u64, start: Start) -> bool {
        Self::key_valid(state, key, start) && state.tags.values().all(|(seq, _)| *seq <= start.seq)
    }

    /// `None` when time is up.
    async fn wait(&self, mut outcome: watch::Receiver<Outcome>, has_old: bool) -> Outcome {
        let limit = if has_old { self.setup.soft_timeout } else { self.setup.hard_timeout };
        let answer = async {
            match outcome.wait_for(Option::is_some).await {
                Ok(outcome) => *outcome,
                Err(_) => Some(Err(LoadFailed)),
            }
        };
        let Some(limit) = limit else { return answer.await };
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.runtime.sleep(limit) => None,
        }
    }

    fn fly(self: &Arc<Self>, state: &mut State, key: u64, load: Load, refresh: bool) -> watch::Receiver<Outcome> {
        state.flights_started += 1;
        let (id, start) = (state.flights_started, self.start(state));
        let (to, outcome) = watch::channel(None);
        state.flights.insert(key, Flight { id, start, outcome: outcome.clone() });
        let this = self.clone();
        drop(self.at.spawn(async move {
            let began = this.runtime.monotonic();
            let answer = this.look(key, load).await;
            let late = this.setup.hard_timeout.is_some_and(|limit| this.runtime.monotonic().saturating_sub(began) >= limit);
            let state = &mut *this.state();
            if let Ok(value) = answer {
                this.keep(
                    state,
                    value,
                    start,
                    (refresh && this.is(Mistake::RefreshUnguarded)) || (late && this.is(Mistake::LateLoadUnguarded)),
                );
            }
            if state.flights.get(&key).is_some_and(|flight| flight.id == id) {
                state.flights.remove(&key);
            }
            to.send_replace(Some(answer));
        }));
        outcome
    }

    fn keep(&self, state: &mut State, value: Versioned, start: Start, unguarded: bool) {
        let end = self.start(state);
        let all_late = unguarded || self.is(Mistake::StampAfterLoad);
        let until = self.runtime.monotonic() + self.setup.ttl;
        let entry = Entry {
            value,
            start: if all_late { end } else { start },
            tagged: if all_late || self.is(Mistake::TagStampAfterLoad) { end } else { start },
            until,
        };
        if self.valid(state, &entry) {
            state.entries.insert(value.key, entry);
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// From the level, or from the source while nobody else loads.
    async fn look(&self, key: u64, load: Load) -> Result<Versioned, LoadFailed> {
        let Some(level) = &self.level else { return load.await };
        loop {
            self.at.yield_some(2).await;
            let looked = level.read_or_lease(key, self.at.now());
            self.at.yield_some(2).await;
            match looked {
                Looked::Found(value) => return Ok(value),
                Looked::Held => self.at.sleep(Duration::from_millis(50)).await,
                Looked::Leased { token, start } => {
                    let answer = load.await;
                    self.at.yield_some(2).await;
                    match answer {
                        Ok(value) => level.fill(token, start, value),
                        Err(LoadFailed) => level.release(key, token),
                    }
                    return answer;
                }
            }
        }
    }

    /// Invalidates, and says when.
    pub(super) fn invalidate(&self, aim: Aim) -> Timestamp {
        let wall = self.runtime.wall();
        self.note(aim, wall);
        wall
    }

    pub(super) fn notice(&self, aim: Aim, wall: Timestamp) {
        if self.is(Mistake::NoticeOnlyRemoves) {
            self.state().entries.retain(|_, entry| !aim.hits(&entry.value));
        } else {
            self.note(aim, wall);
        }
    }

    fn note(&self, aim: Aim, wall: Timestamp) {
        let state = &mut *self.state();
        state.seq += 1;
        let seq = state.seq;
        match aim {
            Aim::Key(key) => drop(state.keys.insert(key, seq)),
            Aim::Tag(tag) => drop(state.tags.insert(tag, (seq, wall))),
            Aim::All => state.cleared = seq,
        }
    }

    pub(super) fn gap(&self) {
        if !self.is(Mistake::GapIgnored) {
            self.note(Aim::All, self.runtime.wall());
        }
    }
}
