//! What a case works with: an empty store, a clock, and helpers to make sessions and operations.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use unstick_core::{
    Applied, Change, Credential, Error, Fields, Loaded, NewRecord, OpCtx, OpId, Presented, PrincipalIndex, RecordKey, Rotated, Rotation,
    Store, Timestamp,
};

use super::{Failure, live};
use crate::clock::TestClock;

/// Opens stores for the suite. Implement it for the store under test.
pub trait StoreFactory: Send + Sync {
    /// The store under test.
    type Store: Store;

    /// Opens a store without sessions: a new database, schema or key prefix each time.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;

    /// Opens the same data once more, as another node would. Cases with parallel writers spread over both. Default: no other node.
    fn open_again(&self, store: &Self::Store) -> impl Future<Output = Option<Self::Store>> + Send {
        let _ = store;
        async { None }
    }

    /// The wall clock by which the store refuses late writes. Default: the system's.
    fn clock(&self) -> TestClock {
        TestClock::System
    }

    /// Whether [`Store::sweep`] is what deletes dead records. Default `true`; `false` for engines that expire keys themselves.
    fn sweeps(&self) -> bool {
        true
    }

    /// Whether an operation that is delivered again is recognised at any time. Default `true`, as the contract says; `false` leaves
    /// repeated deliveries out of the [races](crate::races), for stores over two others that remember each their own.
    fn remembers(&self) -> bool {
        true
    }

    /// Whether an end by administration takes effect in one step. Default `true`. `false` for a store made of two: until such an end is answered,
    /// a request may find the session ended, and the next one find it alive; afterwards it is dead as everywhere.
    fn ends_in_one_step(&self) -> bool {
        true
    }

    /// Whether the store must have a principal index. Default `true`.
    fn has_index(&self) -> bool {
        true
    }
}

/// A session that a case created.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// What its client carries.
    pub credential: Credential,
    /// Where its record is.
    pub key: RecordKey,
    /// What the store is shown.
    pub presented: Presented,
}

impl From<Credential> for Subject {
    fn from(credential: Credential) -> Self {
        Self { credential, key: credential.lineage().record_key(), presented: Presented::from(&credential) }
    }
}

impl Subject {
    /// A new session as the store is asked to create it.
    #[must_use]
    pub fn new_record(&self, principal: Option<&str>, fields: Fields) -> NewRecord {
        NewRecord {
            secret: self.presented.secret,
            principal: principal.map(Into::into),
            created: self.credential.issued(),
            idle_deadline: self.credential.idle_deadline(),
            absolute_deadline: self.credential.absolute_deadline(),
            fields,
        }
    }

    /// The same session under a new secret, issued at `now`.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn rotated(&self, now: Timestamp) -> Result<Self, Error> {
        self.credential.rotate(now, now + IDLE).map(Self::from)
    }

    /// The same id, issued again at `now` with a renewed idle deadline.
    #[must_use]
    pub fn reissued(&self, now: Timestamp) -> Self {
        Self::from(self.credential.renew(now, now + IDLE))
    }

    /// The rotation from this session's id to the id of `new`.
    #[must_use]
    pub fn rotation(new: &Self, grace_until: Option<Timestamp>, principal: Option<&str>) -> Rotation {
        Rotation {
            secret: new.presented.secret,
            grace_until,
            principal: principal.map(Into::into),
            idle_deadline: new.credential.idle_deadline(),
            overlap_since: new.credential.issued() - Duration::from_secs(30),
        }
    }
}

/// Idle timeout of the sessions that cases make.
pub const IDLE: Duration = Duration::from_secs(3600);
/// Absolute timeout of the sessions that cases make.
pub const ABSOLUTE: Duration = Duration::from_secs(24 * 3600);
/// Grace of the rotations that cases make.
pub const GRACE: Duration = Duration::from_secs(30);
/// One millisecond.
pub const MS: Duration = Duration::from_millis(1);
/// One second.
pub const SECOND: Duration = Duration::from_secs(1);

/// An empty store and a clock. Every case gets its own.
#[derive(Debug)]
pub struct Bench<S> {
    nodes: Vec<Arc<S>>,
    clock: TestClock,
    start: Timestamp,
    sweeps: bool,
    has_index: bool,
    remembers: bool,
    ends_in_one_step: bool,
    ops: Arc<AtomicU64>,
}

impl<S: Store> Bench<S> {
    /// Opens a store.
    pub async fn open<F: StoreFactory<Store = S>>(factory: &F) -> Self {
        let first = factory.open().await;
        let second = factory.open_again(&first).await;
        let nodes = std::iter::once(first).chain(second).map(Arc::new).collect();
        let clock = factory.clock();
        let start = clock.now();
        let (sweeps, has_index, remembers) = (factory.sweeps(), factory.has_index(), factory.remembers());
        let ends_in_one_step = factory.ends_in_one_step();
        Self { nodes, clock, start, sweeps, has_index, remembers, ends_in_one_step, ops: Arc::new(AtomicU64::new(1)) }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.nodes[0]
    }

    /// The `n`-th node's store, counted round and round.
    #[must_use]
    pub fn node(&self, n: usize) -> Arc<S> {
        self.nodes[n % self.nodes.len()].clone()
    }

    /// When the case began, by the store's clock. Sessions are created at this time.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The clock by which the store refuses late writes.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// Whether sweeping is what deletes.
    #[must_use]
    pub fn sweeps(&self) -> bool {
        self.sweeps
    }

    /// Whether repeated deliveries are part of the races.
    pub(crate) fn remembers(&self) -> bool {
        self.remembers
    }

    pub(crate) fn ends_in_one_step(&self) -> bool {
        self.ends_in_one_step
    }

    /// The principal index; `None` when the store says that it has none and may.
    ///
    /// # Errors
    /// When the store must have one and has not.
    #[track_caller]
    pub fn index(&self) -> Result<Option<&dyn PrincipalIndex>, Failure> {
        match self.store().principal_index() {
            None if self.has_index => Err(Failure::new("the store has no principal index")),
            index => Ok(index),
        }
    }

    /// A new operation of a caller whose clock says `now`, with ample time.
    #[must_use]
    pub fn op(&self, now: Timestamp) -> OpCtx {
        let number = u128::from(self.ops.fetch_add(1, Ordering::Relaxed));
        // Spread over all 128 bits, as random ids are.
        let op_id = OpId::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        OpCtx { now, deadline: now.max(self.clock.now()) + Duration::from_secs(120), op_id }
    }

    /// A new operation whose deadline has passed by the store's clock, although its caller sent it in time.
    #[must_use]
    pub fn late_op(&self) -> OpCtx {
        let wall = self.clock.now();
        OpCtx { now: wall - SECOND * 2, deadline: wall - MS, ..self.op(wall) }
    }

    /// A session that is not in the store.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn stranger(&self) -> Result<Subject, Failure> {
        Ok(Credential::issue(self.start, self.start + IDLE, self.start + ABSOLUTE)?.into())
    }

    /// An anonymous session without fields, created in the store.
    ///
    /// # Errors
    /// When the store does not create it.
    pub async fn session(&self) -> Result<Subject, Failure> {
        self.session_of(None, Fields::default()).await
    }

    /// A session, created in the store.
    ///
    /// # Errors
    /// When the store does not create it.
    pub async fn session_of(&self, principal: Option<&str>, fields: Fields) -> Result<Subject, Failure> {
        let subject = self.stranger()?;
        let created = self.store().create(self.op(self.start), subject.key, &subject.new_record(principal, fields)).await?;
        match created {
            unstick_core::Created::Done => Ok(subject),
            other => Err(Failure::new(format!("create onto an unused key answered {other:?}"))),
        }
    }

    /// Loads without renewing.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn load(&self, now: Timestamp, subject: &Subject) -> Result<Loaded, Error> {
        self.store().load(self.op(now), subject.key, subject.presented, None).await
    }

    /// Loads without renewing, both ways where the store has [`at_hand`](Store::at_hand): they must agree. Not for cases in which
    /// others write meanwhile.
    ///
    /// # Errors
    /// When the store cannot answer, or gives two answers, or none at hand although nobody holds the record.
    pub async fn load_both_ways(&self, now: Timestamp, subject: &Subject) -> Result<Loaded, Failure> {
        let loaded = self.load(now, subject).await?;
        if let Some(store) = self.store().at_hand() {
            let at_hand = store.read(now, &subject.key, &subject.presented);
            if at_hand.as_ref() != Some(&loaded) {
                return Err(Failure::new(format!("at hand is {at_hand:?}, but what loads is {loaded:?}")));
            }
        }
        Ok(loaded)
    }

    /// The fields of a session that must live.
    ///
    /// # Errors
    /// When the store cannot answer or the session does not live.
    pub async fn fields(&self, now: Timestamp, subject: &Subject) -> Result<Fields, Failure> {
        Ok(live(self.load(now, subject).await?)?.fields)
    }

    /// Applies a change as a new operation.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn apply(&self, now: Timestamp, subject: &Subject, change: &Change) -> Result<Applied, Error> {
        self.store().apply(self.op(now), subject.key, subject.presented, change).await
    }

    /// Rotates as a new operation, without a change to fields.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn rotate(&self, now: Timestamp, subject: &Subject, rotation: &Rotation) -> Result<Rotated, Error> {
        self.store().rotate(self.op(now), subject.key, subject.presented, rotation, &Change::new()).await
    }

    /// Ends as a new operation; the tombstone stands for two idle times.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn end(&self, now: Timestamp, subject: &Subject) -> Result<unstick_core::Ended, Error> {
        self.store().end(self.op(now), subject.key, Some(subject.presented), now + IDLE * 2).await
    }
}
