//! What a case works with: an empty level, its clock, and helpers to load and look.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use unstick_core::{Filled, Held, Level, LevelKey, LevelValue, Looked, OpCtx, OpId, TagKey, Target, Want};

use crate::{
    clock::TestClock,
    contract::{
        Failure, Outcome,
        outcome::{check_eq, check_matches},
    },
};

/// One minute: longer than any busy machine stops for.
pub const MINUTE: Duration = Duration::from_secs(60);

/// Opens levels for the suite. Implement it for the level under test.
pub trait LevelFactory: Send + Sync {
    /// The level under test.
    type Level: Level;

    /// Opens a level that holds nothing: a new server or key prefix each time.
    fn open(&self) -> impl Future<Output = Self::Level> + Send;

    /// Opens the same level once more, as another node would.
    fn open_again(&self, level: &Self::Level) -> impl Future<Output = Self::Level> + Send;

    /// The clock of the level, wall and monotonic. Default: the system's, so that times are waited out.
    fn clock(&self) -> TestClock {
        TestClock::System
    }
}

/// An empty level, seen by two nodes. Every case gets its own.
#[derive(Debug)]
pub struct LevelBench<L> {
    nodes: [Arc<L>; 2],
    clock: TestClock,
    ops: Arc<AtomicU64>,
}

/// A key.
#[must_use]
pub fn key(text: &str) -> LevelKey {
    text.into()
}

/// A tag.
#[must_use]
pub fn tag(text: &str) -> TagKey {
    text.into()
}

/// A value without tags that is fresh for ten minutes and kept for twenty.
#[must_use]
pub fn value(text: &str) -> LevelValue {
    tagged(text, &[])
}

/// The same with tags.
#[must_use]
pub fn tagged(text: &str, tags: &[&str]) -> LevelValue {
    LevelValue {
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        tags: tags.iter().map(|text| tag(text)).collect(),
        fresh: MINUTE * 10,
        kept: MINUTE * 20,
    }
}

impl<L: Level> LevelBench<L> {
    /// Opens a level.
    pub async fn open<F: LevelFactory<Level = L>>(factory: &F) -> Self {
        let first = factory.open().await;
        let second = factory.open_again(&first).await;
        Self { nodes: [Arc::new(first), Arc::new(second)], clock: factory.clock(), ops: Arc::new(AtomicU64::new(1)) }
    }

    /// The level as the first node has it.
    #[must_use]
    pub fn level(&self) -> &L {
        &self.nodes[0]
    }

    /// The level as the other node has it.
    #[must_use]
    pub fn other(&self) -> &L {
        &self.nodes[1]
    }

    /// The level as the `n`-th node has it, counted round and round.
    #[must_use]
    pub fn node(&self, n: usize) -> Arc<L> {
        self.nodes[n % self.nodes.len()].clone()
    }

    /// A new operation with ample time.
    #[must_use]
    pub fn op(&self) -> OpCtx {
        let number = u128::from(self.ops.fetch_add(1, Ordering::Relaxed));
        // spread over all 128 bits, as random ids are
        let op_id = OpId::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let now = self.clock.now();
        OpCtx { now, deadline: now + MINUTE * 2, op_id }
    }

    /// Lets time pass on the level's clock: moves it, or waits.
    pub async fn pass(&self, time: Duration) {
        if !self.clock.advance(time) {
            tokio::time::sleep(time + Duration::from_millis(20)).await;
        }
    }

    /// A lease on a key that nobody loads and that has no value, schema 1, for a minute.
    ///
    /// # Errors
    /// When the level has a value or says that somebody loads.
    pub async fn lease(&self, key: &LevelKey) -> Result<Held, Failure> {
        self.lease_for(key, 1, MINUTE).await
    }

    /// The same for any schema and time. A value that is kept is no hindrance.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    pub async fn lease_for(&self, key: &LevelKey, schema: u32, lease: Duration) -> Result<Held, Failure> {
        self.refresh(key, Want { schema, more_than: Duration::ZERO, lease }).await
    }

    /// A lease although there may be a value.
    ///
    /// # Errors
    /// When the level gives none.
    pub async fn refresh(&self, key: &LevelKey, want: Want) -> Result<Held, Failure> {
        match self.level().read_or_lease(self.op(), key, &want).await? {
            Looked::Leased { token, start, .. } => Ok(Held { schema: want.schema, token, start }),
            other => Err(Failure::new(format!("a lease should be free, but the answer is {other:?}"))),
        }
    }

    /// Fills as the first node.
    ///
    /// # Errors
    /// When the level cannot answer.
    pub async fn fill(&self, key: &LevelKey, lease: Held, value: &LevelValue) -> Result<Filled, Failure> {
        Ok(self.level().fill(self.op(), key, lease, value).await?)
    }

    /// Loads and fills, schema 1.
    ///
    /// # Errors
    /// When the value does not get in.
    pub async fn put(&self, key: &LevelKey, value: &LevelValue) -> Outcome {
        self.put_as(key, 1, value).await
    }

    /// Loads and fills. A level may refuse a value whose tag it hears of for the first time, so there are some attempts.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_as(&self, key: &LevelKey, schema: u32, value: &LevelValue) -> Outcome {
        for _ in 0..3 {
            let lease = self.lease_for(key, schema, MINUTE).await?;
            if matches!(self.fill(key, lease, value).await?, Filled::Done { .. }) {
                return Ok(());
            }
        }
        Err(Failure::new("a value did not get in, although nothing was invalidated"))
    }

    /// Invalidates as the other node, by a new operation.
    ///
    /// # Errors
    /// When the level cannot answer.
    pub async fn invalidate(&self, target: Target) -> Outcome {
        Ok(self.other().invalidate(self.op(), &target).await?)
    }

    /// What both nodes read, schema 1.
    ///
    /// # Errors
    /// When they read different values.
    pub async fn read(&self, key: &LevelKey) -> Result<Option<LevelValue>, Failure> {
        let here = self.level().read(self.op(), key, 1).await?;
        let there = self.other().read(self.op(), key, 1).await?;
        let content = |value: &Option<LevelValue>| value.as_ref().map(|value| (value.bytes.clone(), value.tags.clone()));
        check_eq!(content(&here), content(&there), "two nodes read");
        Ok(here)
    }

    /// Checks that both nodes find this value, schema 1, whether they would load or not.
    ///
    /// # Errors
    /// When one does not.
    pub async fn has(&self, key: &LevelKey, value: &LevelValue) -> Outcome {
        let read = self.read(key).await?;
        check_eq!(read.map(|read| (read.bytes, read.tags)), Some((value.bytes.clone(), value.tags.clone())), "what is read");
        let want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };
        match self.other().read_or_lease(self.op(), key, &want).await? {
            Looked::Found(found) => check_eq!(found.bytes, value.bytes, "what is found instead of a lease"),
            other => return Err(Failure::new(format!("a value should be found, but the answer is {other:?}"))),
        }
        Ok(())
    }

    /// Checks that nobody is handed a value, schema 1, and that nobody loads. Leaves everything as it was.
    ///
    /// # Errors
    /// When there is a value or a lease.
    pub async fn is_gone(&self, key: &LevelKey) -> Outcome {
        check_eq!(self.read(key).await?, None, "what is read");
        let want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };
        let looked = self.other().read_or_lease(self.op(), key, &want).await?;
        check_matches!(looked, Looked::Leased { stale: None, .. }, "what a loader is told");
        if let Looked::Leased { token, start, .. } = looked {
            self.other().release(self.op(), key, Held { schema: 1, token, start }).await?;
        }
        Ok(())
    }
}
