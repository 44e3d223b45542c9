//! A shared cache level (L2): values with tag sequences, leases for one load over all nodes, and invalidation that wins.
//!
//! Every rule is expressed in sequences that the level itself hands out, never in clocks:
//! a value read comes with the current sequences of the tags asked for and with the level's random epoch, so that a reader
//! can tell that the value predates an invalidation; a fill is accepted only while the lease under which its load started
//! is still the key's lease, which an invalidation takes away.
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex, time::Duration};
//! use bytes::Bytes;
//! use unstick_core::*;
//!
//! #[derive(Debug, Default)]
//! struct Local(Mutex<State>);
//! #[derive(Debug, Default)]
//! struct State { values: HashMap<LevelKey, LevelValue>, leases: HashMap<LevelKey, LeaseToken>, tags: HashMap<TagKey, u64> }
//! impl Level for Local {
//!     async fn get(&self, _: OpCtx, key: &LevelKey, tags: &[TagKey]) -> Result<LevelRead, Error> {
//!         let state = self.0.lock().unwrap();
//!         let value = state.values.get(key).cloned();
//!         let current = |tag| state.tags.get(tag).copied().unwrap_or(0);
//!         Ok(LevelRead { epoch: 1, tag_sequences: tags.iter().map(current).collect(), value })
//!     }
//!     async fn acquire(&self, op: OpCtx, key: &LevelKey, _: Duration) -> Result<Lease, Error> {
//!         let mut state = self.0.lock().unwrap();
//!         if state.leases.contains_key(key) { return Ok(Lease::Held { remaining: Duration::from_secs(1) }) }
//!         let token = LeaseToken(op.op_id.as_u128());
//!         state.leases.insert(key.clone(), token);
//!         Ok(Lease::Acquired(token))
//!     }
//!     async fn fill_if(&self, _: OpCtx, key: &LevelKey, token: LeaseToken, value: LevelValue) -> Result<Filled, Error> {
//!         let mut state = self.0.lock().unwrap();
//!         let fresh = value.tags.iter().all(|(tag, at)| state.tags.get(tag).copied().unwrap_or(0) == *at);
//!         if state.leases.get(key) != Some(&token) || !fresh { return Ok(Filled::Refused) }
//!         state.leases.remove(key);
//!         state.values.insert(key.clone(), value);
//!         Ok(Filled::Done)
//!     }
//!     async fn release(&self, _: OpCtx, key: &LevelKey, token: LeaseToken) -> Result<(), Error> {
//!         let mut state = self.0.lock().unwrap();
//!         if state.leases.get(key) == Some(&token) { state.leases.remove(key); }
//!         Ok(())
//!     }
//!     async fn invalidate(&self, _: OpCtx, target: &Target) -> Result<(), Error> {
//!         let mut state = self.0.lock().unwrap();
//!         match target {
//!             Target::Key(key) => { state.values.remove(key); state.leases.remove(key); }
//!             Target::Tag(tag) => *state.tags.entry(tag.clone()).or_default() += 1,
//!             _ => *state = State::default(),
//!         }
//!         Ok(())
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (level, now, key) = (Local::default(), Timestamp::system_now(), LevelKey::from("carts:v1:7"));
//! let op = OpCtx { now, deadline: now, op_id: OpId::from_u128(9) };
//! let Lease::Acquired(token) = level.acquire(op, &key, Duration::from_secs(5)).await.unwrap() else { panic!("free") };
//! level.invalidate(op, &Target::Key(key.clone())).await.unwrap(); // while the load runs
//! let stale = LevelValue { bytes: Bytes::from_static(b"old"), epoch: 1, tags: vec![], ttl: Duration::from_secs(60) };
//! assert_eq!(level.fill_if(op, &key, token, stale).await.unwrap(), Filled::Refused, "the invalidation wins");
//! # });
//! ```

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{Error, OpCtx};

/// A namespaced, schema-versioned key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LevelKey(pub Arc<str>);

impl From<&str> for LevelKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// A namespaced tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagKey(pub Arc<str>);

impl From<&str> for TagKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Proof of a lease; void once the key is invalidated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseToken(pub u128);

/// A value as the level keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelValue {
    /// Encoded by the cache, in a versioned envelope.
    pub bytes: Bytes,
    /// The level's epoch when its load started.
    pub epoch: u64,
    /// Its tags, each with the sequence it had when the load started.
    pub tags: Vec<(TagKey, u64)>,
    /// How long to keep it; when read, how long it will still be kept.
    pub ttl: Duration,
}

/// Answer of [`Level::get`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelRead {
    /// Random per lifetime of the level's data: another number means that sequences have restarted.
    pub epoch: u64,
    /// Current sequence of each tag asked for, in that order.
    pub tag_sequences: Vec<u64>,
    /// The value; the reader compares its epoch and tags.
    pub value: Option<LevelValue>,
}

/// Answer of [`Level::acquire`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lease {
    /// The caller loads.
    Acquired(LeaseToken),
    /// Somebody else loads.
    Held {
        /// For at most this long.
        remaining: Duration,
    },
}

/// Answer of [`Level::fill_if`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filled {
    /// The value is in and the lease is given back.
    Done,
    /// The lease is gone: the key was invalidated, or the lease ran out.
    Refused,
}

/// What to invalidate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// One key, and the lease on it.
    Key(LevelKey),
    /// Everything with the tag, by moving its sequence on.
    Tag(TagKey),
    /// Everything, by changing the epoch.
    All,
}

/// A shared cache level. See the [module docs](self).
///
/// # Cancel safety
/// A dropped future leaves the outcome unknown; an unconfirmed invalidation must be repeated by the caller.
pub trait Level: fmt::Debug + Send + Sync + 'static {
    /// Reads a value with the epoch and the sequences of `tags`, in one trip.
    ///
    /// # Errors
    /// When the level cannot answer.
    fn get(&self, op: OpCtx, key: &LevelKey, tags: &[TagKey]) -> impl Future<Output = Result<LevelRead, Error>> + Send;

    /// Takes the lease on `key` for `ttl`, unless somebody holds it.
    ///
    /// # Errors
    /// When the level cannot answer.
    fn acquire(&self, op: OpCtx, key: &LevelKey, ttl: Duration) -> impl Future<Output = Result<Lease, Error>> + Send;

    /// Puts a value in if `token` is still the key's lease and no tag has moved, and gives the lease back.
    ///
    /// # Errors
    /// When the level cannot answer.
    fn fill_if(
        &self,
        op: OpCtx,
        key: &LevelKey,
        token: LeaseToken,
        value: LevelValue,
    ) -> impl Future<Output = Result<Filled, Error>> + Send;

    /// Gives the lease back without a value.
    ///
    /// # Errors
    /// When the level cannot answer; the lease then runs out by itself.
    fn release(&self, op: OpCtx, key: &LevelKey, token: LeaseToken) -> impl Future<Output = Result<(), Error>> + Send;

    /// Invalidates; a load that started before can no longer fill.
    ///
    /// # Errors
    /// When the invalidation is not confirmed.
    fn invalidate(&self, op: OpCtx, target: &Target) -> impl Future<Output = Result<(), Error>> + Send;
}
