//! Many callers at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use unstick_core::{Filled, Held, Level, LevelKey, LevelValue, Looked, OpCtx, Target, Want};

use super::{LevelBench, MINUTE, key, tag, value};
use crate::contract::{
    Failure, Outcome, joined,
    outcome::{check, check_eq},
    together,
};

const WANT: Want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };

/// Two hundred callers on two nodes: one loads, and all others are told to wait.
pub async fn two_hundred_callers_get_one_lease<L: Level>(at: &LevelBench<L>) -> Outcome {
    const CALLERS: usize = 200;
    let start = together(CALLERS);
    let mut tasks = Vec::with_capacity(CALLERS);
    for n in 0..CALLERS {
        let (level, op, start) = (at.node(n), at.op(), start.clone());
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            level.read_or_lease(op, &key("k"), &WANT).await
        }));
    }
    let (mut leases, mut held) = (Vec::new(), 0);
    for task in tasks {
        match joined(task.await)?? {
            Looked::Leased { token, start, stale: None } => leases.push(Held { schema: 1, token, start }),
            Looked::Held { stale: None, .. } => held += 1,
            other => check!(false, "a caller was told {other:?}"),
        }
    }
    check_eq!((leases.len(), held), (1, CALLERS - 1), "leases and callers who wait");
    check_eq!(at.fill(&key("k"), leases[0], &value("v")).await?, Filled::Done { awaited: true }, "the fill");
    at.has(&key("k"), &value("v")).await
}

/// A source with a counter, a writer that invalidates after each change, and readers that load when nobody else does.
struct Race<L> {
    source: AtomicU64,
    /// Whose invalidation has been answered.
    acknowledged: AtomicU64,
    /// The highest that was found.
    found: AtomicU64,
    over: AtomicBool,
    asked: AtomicU64,
    level: Arc<L>,
    key: LevelKey,
    ops: AtomicU64,
    op: OpCtx,
}

impl<L: Level> Race<L> {
    /// As long as the case may take, each with a number of its own.
    fn op(&self, reader: u64) -> OpCtx {
        let number = self.ops.fetch_add(1, Ordering::Relaxed) << 8 | reader;
        OpCtx { op_id: unstick_core::OpId::from_u128(self.op.op_id.as_u128() ^ u128::from(number) << 64), ..self.op }
    }

    fn judge(&self, known: u64, value: &LevelValue) -> Outcome {
        let text = String::from_utf8_lossy(&value.bytes).into_owned();
        let version: u64 = text.parse().map_err(|_| Failure::new(format!("a value that nobody filled: {text:?}")))?;
        self.found.fetch_max(version, Ordering::AcqRel);
        check!(version >= known, "version {version} was handed out after the invalidation of {known} was answered");
        Ok(())
    }

    async fn read(&self, level: &L, reader: u64) -> Outcome {
        while !self.over.load(Ordering::Acquire) {
            // a level that answers at once must not keep the others from running
            tokio::task::yield_now().await;
            self.asked.fetch_add(1, Ordering::AcqRel);
            let known = self.acknowledged.load(Ordering::Acquire);
            if reader.is_multiple_of(3)
                && let Some(value) = level.read(self.op(reader), &self.key, 1).await?
            {
                self.judge(known, &value)?;
            }
            let known = self.acknowledged.load(Ordering::Acquire);
            match level.read_or_lease(self.op(reader), &self.key, &WANT).await? {
                Looked::Found(value) => self.judge(known, &value)?,
                Looked::Leased { token, start, stale } => {
                    stale.iter().try_for_each(|value| self.judge(known, value))?;
                    let version = self.source.load(Ordering::Acquire);
                    tokio::task::yield_now().await;
                    let value = LevelValue { tags: vec![tag("t"), tag(&format!("t{reader}"))], ..value(&version.to_string()) };
                    let held = Held { schema: 1, token, start };
                    level.fill(self.op(reader), &self.key, held, &value).await?;
                }
                Looked::Held { stale, .. } => {
                    stale.iter().try_for_each(|value| self.judge(known, value))?;
                    tokio::task::yield_now().await;
                }
                other => check!(false, "an answer that is not known: {other:?}"),
            }
        }
        Ok(())
    }

    /// Each version is found by somebody before the next one is written; sometimes two come at once.
    async fn write(&self, target: &Target, versions: u64) -> Outcome {
        for version in 1..=versions {
            self.source.store(version, Ordering::Release);
            self.level.invalidate(self.op(255), target).await?;
            self.acknowledged.store(version, Ordering::Release);
            let asked = self.asked.load(Ordering::Acquire);
            while !version.is_multiple_of(3) && self.found.load(Ordering::Acquire) < version {
                check!(!self.over.load(Ordering::Acquire), "a reader has stopped");
                let answers = self.asked.load(Ordering::Acquire) - asked;
                check!(answers < 20_000, "version {version} was not found among {answers} answers: nobody can fill");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Ok(())
    }
}

async fn race<L: Level>(at: &LevelBench<L>, target: Target) -> Outcome {
    let race = Arc::new(Race {
        source: AtomicU64::new(0),
        acknowledged: AtomicU64::new(0),
        found: AtomicU64::new(0),
        over: AtomicBool::new(false),
        asked: AtomicU64::new(0),
        level: at.node(0),
        key: key("k"),
        ops: AtomicU64::new(1),
        op: at.op(),
    });
    let mut readers = Vec::new();
    for reader in 0..6_u64 {
        let (race, level) = (race.clone(), at.node(usize::from(reader.is_multiple_of(2))));
        readers.push(tokio::spawn(async move {
            let outcome = race.read(&level, reader).await;
            race.over.store(true, Ordering::Release);
            outcome
        }));
    }
    let written = race.write(&target, 60).await;
    race.over.store(true, Ordering::Release);
    for reader in readers {
        joined(reader.await)??;
    }
    written?;
    check!(race.found.load(Ordering::Acquire) >= 59, "hardly anything was found");
    Ok(())
}

/// After the invalidation of a key is answered nobody is handed what was there before.
pub async fn no_reader_sees_what_was_invalidated_by_key<L: Level>(at: &LevelBench<L>) -> Outcome {
    race(at, Target::Key(key("k"))).await
}

/// The same for a tag.
pub async fn no_reader_sees_what_was_invalidated_by_tag<L: Level>(at: &LevelBench<L>) -> Outcome {
    race(at, Target::Tag(tag("t"))).await
}

/// The same for everything.
pub async fn no_reader_sees_what_was_invalidated_with_everything<L: Level>(at: &LevelBench<L>) -> Outcome {
    race(at, Target::All).await
}
