//! Levels that are broken on purpose, to show that the suite catches them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use unstick_core::{
    Error, Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, OpCtx, OpId, Position, RuntimeOps, TagKey, Target, Want,
};

use super::LevelFactory;
use crate::clock::{ManualClock, TestClock};

/// What is wrong with a [`BrokenLevel`]. Each is a mistake that a released cache has made, or that is easily made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LevelDefect {
    /// Nothing.
    None,
    /// A fill puts its value in, whoever has the lease.
    UpsertFill,
    /// A value gets the sequence of when it is filled, so that its tags are not compared with those of when its load began.
    TagsUnchecked,
    /// Only tags that some value has are remembered, and one that nobody remembers counts as never invalidated.
    AbsentTagValid,
    /// Readers do not look at tags.
    TagsUnread,
    /// The invalidation of a key takes its values out and leaves the leases.
    KeepsLease,
    /// All schemas of a key share a value.
    SchemasShared,
    /// The invalidation of a key takes one schema out.
    OneSchemaInvalidated,
    /// The lease is given to everybody.
    LeaseForAll,
    /// Whether there is a lease is looked up first, and taken later.
    LeaseCheckThenAct,
    /// Anybody may extend.
    ExtendForAll,
    /// Anybody may give the lease back.
    ReleaseForAll,
    /// A lease does not run out.
    LeaseNeverEnds,
    /// Extending forgets who waits.
    ExtendForgetsWaiting,
    /// A fill leaves the lease where it is.
    FillKeepsLease,
    /// A refused fill leaves the lease where it is.
    RefusedKeepsLease,
    /// Fillers are always told that somebody waits.
    AlwaysAwaited,
    /// Fillers are never told.
    NeverAwaited,
    /// A value is handed out beside a lease although a tag was invalidated.
    StaleInvalidated,
    /// Values are kept for ever.
    KeptForEver,
    /// How long a value stays fresh is not compared with what the caller wants.
    IgnoresMoreThan,
    /// A repeated invalidation is carried out again.
    NotIdempotent,
    /// An operation that invalidated one target is taken for done at all others.
    OneOperationOneTarget,
    /// The invalidation of everything takes the values out and leaves epoch and leases.
    EpochStays,
    /// Blanks around keys are dropped.
    TrimsKeys,
}

impl LevelDefect {
    /// Every defect but [`LevelDefect::None`].
    pub const ALL: &[Self] = &[
        Self::UpsertFill,
        Self::TagsUnchecked,
        Self::AbsentTagValid,
        Self::TagsUnread,
        Self::KeepsLease,
        Self::SchemasShared,
        Self::OneSchemaInvalidated,
        Self::LeaseForAll,
        Self::LeaseCheckThenAct,
        Self::ExtendForAll,
        Self::ReleaseForAll,
        Self::LeaseNeverEnds,
        Self::ExtendForgetsWaiting,
        Self::FillKeepsLease,
        Self::RefusedKeepsLease,
        Self::AlwaysAwaited,
        Self::NeverAwaited,
        Self::StaleInvalidated,
        Self::KeptForEver,
        Self::IgnoresMoreThan,
        Self::NotIdempotent,
        Self::OneOperationOneTarget,
        Self::EpochStays,
        Self::TrimsKeys,
    ];
}

/// Opens levels with one defect, all on one clock.
#[derive(Debug, Clone)]
pub struct BrokenLevels(LevelDefect, ManualClock);

impl BrokenLevels {
    /// Levels with this defect, on a clock that is moved.
    #[must_use]
    pub fn new(defect: LevelDefect) -> Self {
        Self(defect, ManualClock::default())
    }
}

impl LevelFactory for BrokenLevels {
    type Level = BrokenLevel;

    async fn open(&self) -> BrokenLevel {
        BrokenLevel { defect: self.0, clock: self.1.clone(), state: Arc::default() }
    }

    async fn open_again(&self, level: &BrokenLevel) -> BrokenLevel {
        level.clone()
    }

    fn clock(&self) -> TestClock {
        TestClock::Manual(self.1.clone())
    }
}

/// A plain level around one lock that keeps every rule but one. It forgets nothing: for tests only.
#[derive(Debug, Clone)]
pub struct BrokenLevel {
    defect: LevelDefect,
    clock: ManualClock,
    state: Arc<Mutex<State>>,
}

type Place = (LevelKey, u32);

#[derive(Debug, Default)]
struct State {
    at: (u64, u64),
    tokens: u128,
    values: HashMap<Place, Stored>,
    leases: HashMap<Place, Lease>,
    tags: HashMap<TagKey, u64>,
    done: HashSet<(OpId, Option<Target>)>,
}

#[derive(Debug, Clone)]
struct Stored {
    value: LevelValue,
    seq: u64,
    fresh: Duration,
    kept: Duration,
}

#[derive(Debug)]
struct Lease {
    token: LeaseToken,
    until: Duration,
    awaited: bool,
}

impl State {
    fn allows(&self, tags: &[TagKey], seq: u64) -> bool {
        tags.iter().all(|tag| self.tags.get(tag).is_none_or(|last| *last <= seq))
    }
}

impl BrokenLevel {
    fn has(&self, defect: LevelDefect) -> bool {
        self.defect == defect
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, key: &LevelKey) -> LevelKey {
        if self.has(LevelDefect::TrimsKeys) { key.0.trim().into() } else { key.clone() }
    }

    fn place(&self, key: &LevelKey, schema: u32) -> Place {
        (self.key(key), schema)
    }

    fn value_at(&self, key: &LevelKey, schema: u32) -> Place {
        self.place(key, if self.has(LevelDefect::SchemasShared) { 0 } else { schema })
    }

    /// The value as it is now, and whether its tags allow it.
    fn found(&self, state: &State, key: &LevelKey, schema: u32) -> Option<(LevelValue, bool)> {
        let (stored, now) = (state.values.get(&self.value_at(key, schema))?, self.clock.monotonic());
        if stored.kept <= now && !self.has(LevelDefect::KeptForEver) {
            return None;
        }
        let left = |until: Duration| until.saturating_sub(now);
        let value = LevelValue { fresh: left(stored.fresh), kept: left(stored.kept), ..stored.value.clone() };
        let allowed = state.allows(&value.tags, stored.seq) || self.has(LevelDefect::TagsUnread);
        Some((value, allowed))
    }

    fn lease<'a>(&self, state: &'a mut State, place: &Place) -> Option<&'a mut Lease> {
        let now = self.clock.monotonic();
        state.leases.get_mut(place).filter(|lease| now < lease.until || self.has(LevelDefect::LeaseNeverEnds))
    }

    fn give_back(&self, state: &mut State, place: &Place, token: LeaseToken) -> Option<bool> {
        let anybody = self.has(LevelDefect::ReleaseForAll);
        let awaited = self.lease(state, place).filter(|lease| lease.token == token || anybody)?.awaited;
        state.leases.remove(place);
        Some(awaited)
    }
}

impl Level for BrokenLevel {
    async fn read(&self, _: OpCtx, key: &LevelKey, schema: u32) -> Result<Option<LevelValue>, Error> {
        Ok(self.found(&self.state(), key, schema).filter(|(_, allowed)| *allowed).map(|(value, _)| value))
    }

    async fn read_or_lease(&self, _: OpCtx, key: &LevelKey, want: &Want) -> Result<Looked, Error> {
        let (place, until) = (self.place(key, want.schema), self.clock.monotonic().saturating_add(want.lease));
        let free = {
            let mut state = self.state();
            self.lease(&mut state, &place).is_none()
        };
        if self.has(LevelDefect::LeaseCheckThenAct) {
            for _ in 0..3 {
                tokio::task::yield_now().await; // what a network does by chance
            }
        }
        let mut state = self.state();
        let stale = match self.found(&state, key, want.schema) {
            Some((value, true)) if value.fresh > want.more_than => return Ok(Looked::Found(value)),
            Some((value, true)) if !value.fresh.is_zero() && self.has(LevelDefect::IgnoresMoreThan) => return Ok(Looked::Found(value)),
            stale => stale.filter(|(_, allowed)| *allowed || self.has(LevelDefect::StaleInvalidated)).map(|(value, _)| value),
        };
        let anyway = self.has(LevelDefect::LeaseForAll) || (self.has(LevelDefect::LeaseCheckThenAct) && free);
        if let Some(lease) = self.lease(&mut state, &place).filter(|_| !anyway) {
            lease.awaited = !self.has(LevelDefect::NeverAwaited);
            return Ok(Looked::Held { remaining: lease.until.saturating_sub(self.clock.monotonic()), stale });
        }
        state.tokens += 1;
        let token = LeaseToken(state.tokens);
        state.leases.insert(place, Lease { token, until, awaited: self.has(LevelDefect::AlwaysAwaited) });
        Ok(Looked::Leased { token, start: Position { epoch: state.at.0, seq: state.at.1 }, stale })
    }

    async fn extend(&self, _: OpCtx, key: &LevelKey, schema: u32, token: LeaseToken, lease: Duration) -> Result<bool, Error> {
        let (place, until, anybody) =
            (self.place(key, schema), self.clock.monotonic().saturating_add(lease), self.has(LevelDefect::ExtendForAll));
        let mut state = self.state();
        let Some(lease) = self.lease(&mut state, &place).filter(|lease| lease.token == token || anybody) else { return Ok(false) };
        lease.until = until;
        if self.has(LevelDefect::ExtendForgetsWaiting) {
            lease.awaited = false;
        }
        Ok(true)
    }

    async fn fill(&self, _: OpCtx, key: &LevelKey, lease: Held, value: &LevelValue) -> Result<Filled, Error> {
        let (place, at, now) = (self.place(key, lease.schema), self.value_at(key, lease.schema), self.clock.monotonic());
        let state = &mut *self.state();
        let seq = if self.has(LevelDefect::TagsUnchecked) { state.at.1 } else { lease.start.seq };
        let known = lease.start.epoch == state.at.0 && state.allows(&value.tags, seq);
        if self.has(LevelDefect::AbsentTagValid) {
            value.tags.iter().for_each(|tag| _ = state.tags.entry(tag.clone()).or_insert(seq));
        }
        if !known && self.has(LevelDefect::RefusedKeepsLease) {
            return Ok(Filled::Refused);
        }
        let upsert = self.has(LevelDefect::UpsertFill).then_some(false);
        let held = self.lease(state, &place).filter(|held| held.token == lease.token).map(|held| held.awaited);
        if held.is_some() && !self.has(LevelDefect::FillKeepsLease) {
            state.leases.remove(&place);
        }
        let Some(awaited) = held.filter(|_| known).or(upsert) else { return Ok(Filled::Refused) };
        let (fresh, kept) = (now.saturating_add(value.fresh), now.saturating_add(value.kept.max(value.fresh)));
        state.values.insert(at, Stored { value: value.clone(), seq, fresh, kept });
        Ok(Filled::Done { awaited })
    }

    async fn release(&self, _: OpCtx, key: &LevelKey, lease: Held) -> Result<bool, Error> {
        Ok(self.give_back(&mut self.state(), &self.place(key, lease.schema), lease.token).unwrap_or(false))
    }

    async fn invalidate(&self, op: OpCtx, target: &Target) -> Result<(), Error> {
        let state = &mut *self.state();
        let done = (op.op_id, Some(target.clone()).filter(|_| !self.has(LevelDefect::OneOperationOneTarget)));
        if !state.done.insert(done) && !self.has(LevelDefect::NotIdempotent) {
            return Ok(());
        }
        match target {
            Target::Key(key) => {
                let key = self.key(key);
                let one = self.has(LevelDefect::OneSchemaInvalidated);
                state.values.retain(|(of, schema), _| *of != key || (one && *schema != 1));
                state.leases.retain(|(of, _), _| *of != key || self.has(LevelDefect::KeepsLease));
            }
            Target::Tag(tag) => {
                state.at.1 += 1;
                if !self.has(LevelDefect::AbsentTagValid) || state.tags.contains_key(tag) {
                    state.tags.insert(tag.clone(), state.at.1);
                }
            }
            _ => {
                state.values.clear();
                if !self.has(LevelDefect::EpochStays) {
                    state.at.0 += 1;
                    state.leases.clear();
                }
            }
        }
        Ok(())
    }
}
