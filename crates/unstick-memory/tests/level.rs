//! The level contract, by the system's clock and by one that is moved, and what the limit drops.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use unstick_core::{Filled, Held, Level, LevelKey, LevelValue, Looked, OpCtx, OpId, TagKey, Target, Timestamp, Want};
use unstick_memory::MemoryLevel;
use unstick_testkit::{
    clock::{ManualClock, TestClock},
    level::LevelFactory,
};

/// Levels by the system's clock.
struct System;

impl LevelFactory for System {
    type Level = MemoryLevel;

    async fn open(&self) -> MemoryLevel {
        MemoryLevel::new()
    }

    async fn open_again(&self, level: &MemoryLevel) -> MemoryLevel {
        level.clone()
    }
}

/// Levels by a clock that is moved.
#[derive(Default)]
struct Manual(ManualClock);

impl LevelFactory for Manual {
    type Level = MemoryLevel;

    async fn open(&self) -> MemoryLevel {
        MemoryLevel::builder().runtime(self.0.runtime()).build()
    }

    async fn open_again(&self, level: &MemoryLevel) -> MemoryLevel {
        level.clone()
    }

    fn clock(&self) -> TestClock {
        TestClock::Manual(self.0.clone())
    }
}

mod system_clock {
    use super::*;
    unstick_testkit::level_suite!(System);
}

mod manual_clock {
    use super::*;
    unstick_testkit::level_suite!(Manual::default());
}

const MINUTE: Duration = Duration::from_secs(60);

/// Nothing of the level needs an executor: each answer is there at the first poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("not at the first poll"),
    }
}

fn op(n: usize) -> OpCtx {
    let now = Timestamp::system_now();
    OpCtx { now, deadline: now + MINUTE, op_id: OpId::from_u128(n as u128) }
}

fn numbered(n: usize) -> LevelKey {
    format!("k{n}").as_str().into()
}

fn lease(level: &MemoryLevel, key: &LevelKey) -> Held {
    let want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };
    match now(level.read_or_lease(op(0), key, &want)).unwrap() {
        Looked::Leased { token, start, .. } => Held { schema: 1, token, start },
        other => panic!("{other:?}"),
    }
}

fn fill(level: &MemoryLevel, key: &LevelKey, held: Held, tags: Vec<TagKey>) -> Filled {
    let value = LevelValue { bytes: "v".into(), tags, fresh: MINUTE, kept: MINUTE };
    now(level.fill(op(0), key, held, &value)).unwrap()
}

#[test]
fn the_limit_drops_what_was_touched_the_longest_time_ago() {
    let level = MemoryLevel::builder().max_entries(10).build();
    for n in 0..100 {
        let held = lease(&level, &numbered(n));
        assert_eq!(fill(&level, &numbered(n), held, vec![]), Filled::Done { awaited: false }, "a full level takes new values");
        assert!(level.entries() <= 10);
    }
    let there: Vec<usize> = (0..100).filter(|n| now(level.read(op(0), &numbered(*n), 1)).unwrap().is_some()).collect();
    assert_eq!(there, (90..100).collect::<Vec<_>>());
}

#[test]
fn a_lease_that_was_dropped_fills_nothing() {
    let level = MemoryLevel::builder().max_entries(10).build();
    let first = lease(&level, &numbered(0));
    for n in 1..=10 {
        lease(&level, &numbered(n));
    }
    assert_eq!(fill(&level, &numbered(0), first, vec![]), Filled::Refused);
}

/// Tags that nobody remembers any more are as good as invalidated: no old value comes back, and no old load gets in.
#[test]
fn a_tag_that_was_dropped_makes_nothing_valid() {
    let level = MemoryLevel::builder().max_entries(4).build();
    let (old, loading) = (numbered(0), numbered(1));
    let held = lease(&level, &old);
    assert_eq!(fill(&level, &old, held, vec!["t0".into()]), Filled::Done { awaited: false });
    let held = lease(&level, &loading);
    for n in 0..50 {
        now(level.invalidate(op(n), &Target::Tag(format!("t{n}").as_str().into()))).unwrap();
        assert!(level.tags() <= 4);
        assert_eq!(now(level.read(op(0), &old, 1)).unwrap(), None, "after {n} more");
    }
    assert_eq!(fill(&level, &loading, held, vec!["t1".into()]), Filled::Refused);
    let held = lease(&level, &loading);
    assert_eq!(fill(&level, &loading, held, vec!["t1".into()]), Filled::Done { awaited: false }, "a load that began afterwards");
}

/// What is over makes room by itself, whoever comes next.
#[test]
fn nothing_is_held_for_longer_than_it_is_kept() {
    let clock = ManualClock::default();
    let level = MemoryLevel::builder().runtime(clock.runtime()).build();
    let at = || OpCtx { now: clock.now(), deadline: clock.now() + MINUTE, op_id: OpId::from_u128(1) };
    let want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };
    for n in 0..100 {
        now(level.read_or_lease(at(), &numbered(n), &want)).unwrap();
        now(level.invalidate(at(), &Target::Key(numbered(n + 1000)))).unwrap();
    }
    assert_eq!(level.entries(), 200);
    clock.advance(MINUTE);
    now(level.read_or_lease(at(), &numbered(7), &want)).unwrap();
    assert_eq!(level.entries(), 1);
}
