//! A shared cache level (L2): values that predate an invalidation are never handed out, and one load runs over all nodes.
//!
//! The level itself judges its values: it hands out a *position* (epoch and sequence) when a load starts, keeps it with the
//! value, and compares it with the tags' sequences whenever the value is read. A value is taken only while the lease under
//! which its load started is still the key's lease, and an invalidation takes the lease away. Every rule is expressed in
//! numbers that the level hands out, never in nodes' clocks; how long things are kept is measured by the level's own clock.
//!
//! One key holds one value per *schema*: nodes of two releases that encode a value differently share keys and
//! invalidations, and never read each other's bytes.
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex, time::Duration};
//! use bytes::Bytes;
//! use unstick_core::*;
//!
//! /// Knows one schema, and neither tags nor time.
//! #[derive(Debug, Default)]
//! struct Local(Mutex<(HashMap<LevelKey, LevelValue>, HashMap<LevelKey, LeaseToken>)>);
//! impl Level for Local {
//!     async fn read(&self, _: OpCtx, key: &LevelKey, _: u32) -> Result<Option<LevelValue>, Error> {
//!         Ok(self.0.lock().unwrap().0.get(key).cloned())
//!     }
//!     async fn read_or_lease(&self, op: OpCtx, key: &LevelKey, want: &Want) -> Result<Looked, Error> {
//!         let (values, leases) = &mut *self.0.lock().unwrap();
//!         if let Some(value) = values.get(key).filter(|value| value.fresh > want.more_than) { return Ok(Looked::Found(value.clone())) }
//!         if leases.contains_key(key) { return Ok(Looked::Held { remaining: want.lease, stale: None }) }
//!         let token = LeaseToken(op.op_id.as_u128());
//!         leases.insert(key.clone(), token);
//!         Ok(Looked::Leased { token, start: Position { epoch: 1, seq: 0 }, stale: None })
//!     }
//!     async fn extend(&self, _: OpCtx, key: &LevelKey, _: u32, token: LeaseToken, _: Duration) -> Result<bool, Error> {
//!         Ok(self.0.lock().unwrap().1.get(key) == Some(&token))
//!     }
//!     async fn fill(&self, _: OpCtx, key: &LevelKey, lease: Held, value: &LevelValue) -> Result<Filled, Error> {
//!         let (values, leases) = &mut *self.0.lock().unwrap();
//!         if leases.get(key) != Some(&lease.token) { return Ok(Filled::Refused) }
//!         leases.remove(key);
//!         values.insert(key.clone(), value.clone());
//!         Ok(Filled::Done { awaited: false })
//!     }
//!     async fn release(&self, _: OpCtx, key: &LevelKey, lease: Held) -> Result<bool, Error> {
//!         let leases = &mut self.0.lock().unwrap().1;
//!         if leases.get(key) == Some(&lease.token) { leases.remove(key); }
//!         Ok(false)
//!     }
//!     async fn invalidate(&self, _: OpCtx, target: &Target) -> Result<(), Error> {
//!         let (values, leases) = &mut *self.0.lock().unwrap();
//!         match target {
//!             Target::Key(key) => { values.remove(key); leases.remove(key); }
//!             _ => { values.clear(); leases.clear(); }
//!         }
//!         Ok(())
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (level, now, key) = (Local::default(), Timestamp::system_now(), LevelKey::from("carts:7"));
//! let op = OpCtx { now, deadline: now, op_id: OpId::from_u128(9) };
//! let want = Want { schema: 1, more_than: Duration::ZERO, lease: Duration::from_secs(2) };
//! let Looked::Leased { token, start, .. } = level.read_or_lease(op, &key, &want).await.unwrap() else { panic!("free") };
//! level.invalidate(op, &Target::Key(key.clone())).await.unwrap(); // while the load runs
//! let minute = Duration::from_secs(60);
//! let stale = LevelValue { bytes: Bytes::from_static(b"old"), tags: vec![], fresh: minute, kept: minute };
//! let lease = Held { schema: 1, token, start };
//! assert_eq!(level.fill(op, &key, lease, &stale).await.unwrap(), Filled::Refused, "the invalidation wins");
//! # });
//! ```

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{Error, OpCtx};

/// A key with the namespace and the cache it belongs to, as one text. All schemas of its value share it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LevelKey(pub Arc<str>);

impl From<&str> for LevelKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Redacts the key.
impl fmt::Debug for LevelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LevelKey(..)")
    }
}

/// A tag with the namespace it belongs to.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagKey(pub Arc<str>);

impl From<&str> for TagKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Redacts the tag.
impl fmt::Debug for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagKey(..)")
    }
}

/// Proof of a lease; void once the key is invalidated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseToken(pub u128);

/// Where the level stood when a load started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Random per lifetime of the level's data, and changed by [`Target::All`]: values of another epoch are not handed out.
    pub epoch: u64,
    /// Grows with every invalidation of a tag.
    pub seq: u64,
}

/// A lease as its holder knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The schema it was taken for.
    pub schema: u32,
    /// Its proof.
    pub token: LeaseToken,
    /// Where the level stood when it was taken.
    pub start: Position,
}

/// A value as the level keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct LevelValue {
    /// Encoded by the cache.
    pub bytes: Bytes,
    /// Its tags.
    pub tags: Vec<TagKey>,
    /// How long it is fresh; when read, how long it still is. Zero when it is only kept for the case that loading fails.
    pub fresh: Duration,
    /// How long to keep it, at least `fresh`; when read, how long it still will be.
    pub kept: Duration,
}

/// Redacts the bytes.
impl fmt::Debug for LevelValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, tags, fresh, kept } = self;
        f.debug_struct("LevelValue")
            .field("bytes", &bytes.len())
            .field("tags", &tags.len())
            .field("fresh", fresh)
            .field("kept", kept)
            .finish()
    }
}

/// What a caller of [`Level::read_or_lease`] wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// Values of other schemas are not looked at.
    pub schema: u32,
    /// Only a value that stays fresh for more than this will do: zero for any fresh one, more to refresh before the end.
    pub more_than: Duration,
    /// How long to hold the lease, unless it is [extended](Level::extend).
    pub lease: Duration,
}

/// Answer of [`Level::read_or_lease`]. Values that were invalidated, by key, tag or epoch, are never in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Looked {
    /// There is a value.
    Found(LevelValue),
    /// There is none, and the caller loads.
    Leased {
        /// Proof of the lease.
        token: LeaseToken,
        /// Where the level stands: taken before this was answered, so before the load starts.
        start: Position,
        /// A value that is not fresh enough.
        stale: Option<LevelValue>,
    },
    /// There is none, and somebody else loads; the holder will be told that it is awaited.
    Held {
        /// For at most this long, unless extended.
        remaining: Duration,
        /// A value that is not fresh enough.
        stale: Option<LevelValue>,
    },
}

/// Answer of [`Level::fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filled {
    /// The value is in and the lease is given back.
    Done {
        /// Somebody was answered [`Looked::Held`] meanwhile, and wants to be woken.
        awaited: bool,
    },
    /// The value may be stale and is not in: its key, a tag or everything was invalidated, or the lease ran out. A lease
    /// that was still there is given back.
    Refused,
}

/// What to invalidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// One key: its values of all schemas, and the leases on them.
    Key(LevelKey),
    /// Everything with the tag, also what is being loaded.
    Tag(TagKey),
    /// Everything, by changing the epoch.
    All,
}

/// A shared cache level. See the [module docs](self).
///
/// # Cancel safety
/// A dropped future leaves the outcome unknown; an unconfirmed invalidation must be repeated by the caller.
pub trait Level: fmt::Debug + Send + Sync + 'static {
    /// Reads the value of a schema, fresh or only kept, and takes no lease.
    ///
    /// # Errors
    /// When the level cannot answer.
    fn read(&self, op: OpCtx, key: &LevelKey, schema: u32) -> impl Future<Output = Result<Option<LevelValue>, Error>> + Send;

    /// Reads, and takes the lease on the key and schema in the same step when there is nothing fresh enough and nobody holds it.
    ///
    /// # Errors
    /// When the level cannot answer.
    fn read_or_lease(&self, op: OpCtx, key: &LevelKey, want: &Want) -> impl Future<Output = Result<Looked, Error>> + Send;

    /// Holds the lease for `lease` from now on; whether it still was the caller's.
    ///
    /// # Errors
    /// When the level cannot answer.
    fn extend(
        &self,
        op: OpCtx,
        key: &LevelKey,
        schema: u32,
        token: LeaseToken,
        lease: Duration,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Puts a value in, unless it may be stale, and gives the lease back.
    ///
    /// # Errors
    /// When the level cannot answer.
    fn fill(&self, op: OpCtx, key: &LevelKey, lease: Held, value: &LevelValue) -> impl Future<Output = Result<Filled, Error>> + Send;

    /// Gives the lease back without a value; whether somebody waits for it.
    ///
    /// # Errors
    /// When the level cannot answer; the lease then runs out by itself.
    fn release(&self, op: OpCtx, key: &LevelKey, lease: Held) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Invalidates; a load that started before can no longer fill. Repeating it with the same op id within a minute does nothing to
    /// values that came in between, so that many nodes can make sure of one invalidation.
    ///
    /// # Errors
    /// When the invalidation is not confirmed.
    fn invalidate(&self, op: OpCtx, target: &Target) -> impl Future<Output = Result<(), Error>> + Send;
}
