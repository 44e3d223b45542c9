//! A cache level within a process: for several nodes in one process, in tests and examples, and to try out what a shared level does.
//!
//! It keeps the rules of [`Level`] to the letter and shares nothing beyond the process: on more than one machine it is no second level.
//! Every operation completes at the first poll, under one lock. Times are those of [`Runtime::monotonic`]; there are no timers and no
//! tasks, so any executor will do.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::*;
//! use unstick_memory::MemoryLevel;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (here, key) = (MemoryLevel::new(), LevelKey::from("carts:7"));
//! let there = here.clone(); // another node
//! let now = Timestamp::system_now();
//! let op = |n| OpCtx { now, deadline: now + Duration::from_secs(60), op_id: OpId::from_u128(n) };
//! let want = Want { schema: 1, more_than: Duration::ZERO, lease: Duration::from_secs(2) };
//!
//! let Looked::Leased { token, start, .. } = here.read_or_lease(op(1), &key, &want).await? else { panic!("nobody loads yet") };
//! assert!(matches!(there.read_or_lease(op(2), &key, &want).await?, Looked::Held { .. }));
//! let minute = Duration::from_secs(60);
//! let value = LevelValue { bytes: "[7]".into(), tags: vec!["customer:7".into()], fresh: minute, kept: minute };
//! let filled = here.fill(op(3), &key, Held { schema: 1, token, start }, &value).await?;
//! assert_eq!(filled, Filled::Done { awaited: true });
//!
//! assert_eq!(there.read(op(4), &key, 1).await?.unwrap().bytes, "[7]");
//! there.invalidate(op(5), &Target::Tag("customer:7".into())).await?;
//! assert_eq!(here.read(op(6), &key, 1).await?, None);
//! # Ok::<_, Error>(()) }).unwrap();
//! ```

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use unstick_core::{Error, Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, OpCtx, Position, Runtime, Target, Want};

use crate::entries::{Done, Entries, Entry, Lease, Stored, Tags};

/// A cache level in this process. Clones share what it holds, as nodes share a server. See the [module docs](self).
#[derive(Clone)]
pub struct MemoryLevel(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    max_entries: usize,
    runtime: Runtime,
}

struct State {
    at: Position,
    tokens: u128,
    entries: Entries,
    tags: Tags,
    cleared: Done,
}

/// Settings of a [`MemoryLevel`]; made by [`MemoryLevel::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MemoryLevelBuilder {
    max_entries: usize,
    runtime: Runtime,
}

impl MemoryLevelBuilder {
    /// How many keys there may be, and how many invalidated tags are remembered. Default 100 000; more when there are more hot keys than
    /// that.
    ///
    /// Beyond it, the key goes that was not filled, leased or invalidated for the longest time: its next reader loads, and a load under way
    /// may not fill it. When the number of a tag is dropped, all tags that are not remembered count as invalidated at that moment, so
    /// that no old value comes back. A repeated invalidation of what was dropped is not recognised as a repetition.
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }

    /// The clocks. Default [`Runtime::tokio`]; pass the cache's when a test moves time.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Makes the level.
    #[must_use]
    pub fn build(self) -> MemoryLevel {
        let Self { max_entries, runtime } = self;
        // random, so that positions of one level mean nothing to another
        let at = Position { epoch: RandomState::new().hash_one(0), seq: 1 };
        let state = State { at, tokens: 0, entries: Entries::default(), tags: Tags::default(), cleared: Done::default() };
        MemoryLevel(Arc::new(Inner { state: Mutex::new(state), max_entries, runtime }))
    }
}

impl MemoryLevel {
    /// An empty level with default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Other settings.
    pub fn builder() -> MemoryLevelBuilder {
        MemoryLevelBuilder { max_entries: 100_000, runtime: Runtime::tokio() }
    }

    /// How many keys there are, those included of which only a lease or a recent invalidation is left.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.state().entries.len()
    }

    /// How many invalidated tags are remembered.
    #[must_use]
    pub fn tags(&self) -> usize {
        self.state().tags.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock can panic half-way.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.0.runtime.monotonic()
    }

    fn refuse_if_late(&self, op: &OpCtx) -> Result<(), Error> {
        op.refuse_if_late(op.now.max(self.0.runtime.wall()))
    }
}

impl Default for MemoryLevel {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryLevel({} entries)", self.entries())
    }
}

impl State {
    /// The value as it is now, unless a tag was invalidated since its load began. Other invalidations have taken it out.
    fn value(&self, key: &LevelKey, schema: u32, now: Duration) -> Option<LevelValue> {
        let stored = self.entries.get(key)?.value(schema, now)?;
        let left = |until: Duration| until.saturating_sub(now);
        let value = || LevelValue { fresh: left(stored.fresh), kept: left(stored.kept), ..stored.value.clone() };
        self.tags.allow(&stored.value.tags, stored.seq).then(value)
    }
}

impl Level for MemoryLevel {
    async fn read(&self, _: OpCtx, key: &LevelKey, schema: u32) -> Result<Option<LevelValue>, Error> {
        Ok(self.state().value(key, schema, self.now()))
    }

    async fn read_or_lease(&self, op: OpCtx, key: &LevelKey, want: &Want) -> Result<Looked, Error> {
        self.refuse_if_late(&op)?;
        let (mut state, now) = (self.state(), self.now());
        let stale = match state.value(key, want.schema, now) {
            Some(value) if value.fresh > want.more_than => return Ok(Looked::Found(value)),
            stale => stale,
        };
        state.tokens += 1;
        let (token, start) = (LeaseToken(state.tokens), state.at);
        Ok(state.entries.change(key, now, self.0.max_entries, |entry| match entry.lease(want.schema, now) {
            Some(lease) => {
                lease.awaited = true;
                Looked::Held { remaining: lease.until - now, stale }
            }
            None => {
                entry.grant(want.schema, Lease { token, until: now.saturating_add(want.lease), awaited: false });
                Looked::Leased { token, start, stale }
            }
        }))
    }

    async fn extend(&self, op: OpCtx, key: &LevelKey, schema: u32, token: LeaseToken, lease: Duration) -> Result<bool, Error> {
        self.refuse_if_late(&op)?;
        let now = self.now();
        let extend = |entry: &mut Entry| match entry.lease(schema, now) {
            Some(held) if held.token == token => {
                held.until = now.saturating_add(lease);
                true
            }
            _ => false,
        };
        Ok(self.state().entries.change(key, now, self.0.max_entries, extend))
    }

    async fn fill(&self, op: OpCtx, key: &LevelKey, lease: Held, value: &LevelValue) -> Result<Filled, Error> {
        self.refuse_if_late(&op)?;
        let (mut state, now) = (self.state(), self.now());
        let known = lease.start.epoch == state.at.epoch && state.tags.allow(&value.tags, lease.start.seq);
        let (fresh, kept) = (now.saturating_add(value.fresh), now.saturating_add(value.kept.max(value.fresh)));
        let stored = || Stored { value: value.clone(), seq: lease.start.seq, fresh, kept };
        Ok(state.entries.change(key, now, self.0.max_entries, |entry| match entry.give_back(lease.schema, lease.token, now) {
            Some(awaited) if known => {
                entry.put(lease.schema, stored());
                Filled::Done { awaited }
            }
            _ => Filled::Refused,
        }))
    }

    async fn release(&self, op: OpCtx, key: &LevelKey, lease: Held) -> Result<bool, Error> {
        self.refuse_if_late(&op)?;
        let now = self.now();
        let give_back = |entry: &mut Entry| entry.give_back(lease.schema, lease.token, now).unwrap_or(false);
        Ok(self.state().entries.change(key, now, self.0.max_entries, give_back))
    }

    async fn invalidate(&self, op: OpCtx, target: &Target) -> Result<(), Error> {
        self.refuse_if_late(&op)?;
        let (mut state, now, most) = (self.state(), self.now(), self.0.max_entries);
        match target {
            Target::Key(key) => state.entries.change(key, now, most, |entry| {
                if entry.done.note(op.op_id, now) {
                    entry.clear();
                }
            }),
            Target::Tag(tag) => {
                let next = state.at.seq + 1;
                if state.tags.invalidate(tag, op.op_id, next, now, most) {
                    state.at.seq = next;
                }
            }
            // a target that this release does not know is part of everything
            _ => {
                if state.cleared.note(op.op_id, now) {
                    state.at.epoch = state.at.epoch.wrapping_add(1);
                    state.entries.clear();
                }
            }
        }
        Ok(())
    }
}
