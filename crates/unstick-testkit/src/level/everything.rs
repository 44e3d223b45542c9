//! The invalidation of everything.

use std::time::Duration;

use unstick_core::{Filled, Level, LevelValue, Looked, Target, Want};

use super::{LevelBench, MINUTE, key, tagged, value};
use crate::contract::{
    Outcome,
    outcome::{check, check_eq, check_matches},
};

/// With and without tags.
pub async fn everything_goes<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("a"), &value("v")).await?;
    at.put(&key("b"), &tagged("v", &["t"])).await?;
    at.invalidate(Target::All).await?;
    at.is_gone(&key("a")).await?;
    at.is_gone(&key("b")).await
}

/// Whatever is being loaded.
pub async fn loads_under_way_fill_nothing<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("known"), &tagged("v", &["t"])).await?;
    let (one, two) = (at.lease(&key("a")).await?, at.lease(&key("b")).await?);
    at.invalidate(Target::All).await?;
    check_eq!(at.fill(&key("a"), one, &value("stale")).await?, Filled::Refused, "the fill");
    check_eq!(at.fill(&key("b"), two, &tagged("stale", &["t"])).await?, Filled::Refused, "the fill with a tag");
    at.is_gone(&key("a")).await?;
    at.is_gone(&key("b")).await
}

/// Positions before and after are told apart.
pub async fn epoch_changes<L: Level>(at: &LevelBench<L>) -> Outcome {
    let before = at.lease(&key("a")).await?.start;
    check_eq!(at.lease(&key("b")).await?.start.epoch, before.epoch, "the epoch as long as nothing happens");
    at.invalidate(Target::All).await?;
    check!(at.lease(&key("c")).await?.start.epoch != before.epoch, "the epoch is the same as before");
    Ok(())
}

/// Nobody has to wait for a load from before it, whose holder hears of it.
pub async fn leases_are_void<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    at.invalidate(Target::All).await?;
    check!(!at.level().extend(at.op(), &key("k"), 1, lease.token, MINUTE).await?, "a void lease was extended");
    at.lease(&key("k")).await?;
    let want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };
    check_matches!(at.other().read_or_lease(at.op(), &key("k"), &want).await?, Looked::Held { stale: None, .. }, "the lease after it");
    Ok(())
}

/// Also as a value beside a lease.
pub async fn kept_values_go<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &LevelValue { fresh: Duration::ZERO, ..value("old") }).await?;
    at.invalidate(Target::All).await?;
    at.is_gone(&key("k")).await
}

/// It is over once it is answered.
pub async fn load_after_it_fills<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &value("old")).await?;
    at.invalidate(Target::All).await?;
    let lease = at.lease(&key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("new")).await?, Filled::Done { awaited: false }, "the fill");
    at.has(&key("k"), &value("new")).await
}

/// Tags count as before.
pub async fn tags_work_on<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &tagged("old", &["t"])).await?;
    at.invalidate(Target::Tag("t".into())).await?;
    at.invalidate(Target::All).await?;
    at.put(&key("k"), &tagged("new", &["t"])).await?;
    at.has(&key("k"), &tagged("new", &["t"])).await?;
    let lease = at.lease(&key("loading")).await?;
    at.invalidate(Target::Tag("t".into())).await?;
    at.is_gone(&key("k")).await?;
    check_eq!(at.fill(&key("loading"), lease, &tagged("stale", &["t"])).await?, Filled::Refused, "the fill");
    Ok(())
}
