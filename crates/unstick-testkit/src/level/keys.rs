//! The invalidation of a key wins over everything that began before it.

use std::time::Duration;

use unstick_core::{Filled, Level, LevelValue, Looked, Target, Want};

use super::{LevelBench, MINUTE, key, value};
use crate::contract::{
    Outcome,
    outcome::{check, check_eq, check_matches},
};

fn target(text: &str) -> Target {
    Target::Key(key(text))
}

/// Neither as a value nor as one that is only kept.
pub async fn invalidated_key_is_gone<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &value("old")).await?;
    at.invalidate(target("k")).await?;
    at.is_gone(&key("k")).await?;
    at.put(&key("k"), &LevelValue { fresh: Duration::ZERO, ..value("older") }).await?;
    at.invalidate(target("k")).await?;
    at.is_gone(&key("k")).await
}

/// Only this key.
pub async fn other_keys_stay<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("kk"), &value("v")).await?;
    let lease = at.lease(&key("loading")).await?;
    at.invalidate(target("k")).await?;
    at.has(&key("kk"), &value("v")).await?;
    check_eq!(at.fill(&key("loading"), lease, &value("v")).await?, Filled::Done { awaited: false }, "the load of another key");
    Ok(())
}

/// What was read from the source before the invalidation does not get in after it.
pub async fn invalidation_during_a_load_wins<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    at.invalidate(target("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("stale")).await?, Filled::Refused, "the fill");
    at.is_gone(&key("k")).await
}

/// The same while a value is there that is fresh.
pub async fn invalidation_during_a_refresh_wins<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &value("old")).await?;
    let lease = at.refresh(&key("k"), Want { schema: 1, more_than: MINUTE * 15, lease: MINUTE }).await?;
    at.invalidate(target("k")).await?;
    at.is_gone(&key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("stale")).await?, Filled::Refused, "the fill");
    at.is_gone(&key("k")).await
}

/// Who comes after the invalidation need not wait for a load from before it.
pub async fn invalidation_takes_the_lease_away<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.lease(&key("k")).await?;
    at.invalidate(target("k")).await?;
    at.lease(&key("k")).await?;
    Ok(())
}

/// The holder hears of it when it extends.
pub async fn invalidated_lease_cannot_be_extended<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    at.invalidate(target("k")).await?;
    check!(!at.level().extend(at.op(), &key("k"), 1, lease.token, MINUTE).await?, "a void lease was extended");
    at.is_gone(&key("k")).await
}

/// What the holder of a void lease does has no effect on the next one.
pub async fn voided_holder_frees_nobody<L: Level>(at: &LevelBench<L>) -> Outcome {
    let void = at.lease(&key("k")).await?;
    at.invalidate(target("k")).await?;
    let lease = at.lease(&key("k")).await?;
    check!(!at.level().release(at.op(), &key("k"), void).await?, "a void lease was given back");
    check_eq!(at.fill(&key("k"), void, &value("stale")).await?, Filled::Refused, "the fill under a void lease");
    let want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };
    check_matches!(at.other().read_or_lease(at.op(), &key("k"), &want).await?, Looked::Held { stale: None, .. }, "the lease after it");
    check_eq!(at.fill(&key("k"), lease, &value("new")).await?, Filled::Done { awaited: true }, "the fill under it");
    at.has(&key("k"), &value("new")).await
}

/// An invalidation is over once it is answered.
pub async fn load_after_the_invalidation_fills<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &value("old")).await?;
    at.invalidate(target("k")).await?;
    let lease = at.lease(&key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("new")).await?, Filled::Done { awaited: false }, "the fill");
    at.has(&key("k"), &value("new")).await
}

/// Nothing to invalidate is no error.
pub async fn unknown_key_can_be_invalidated<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.invalidate(target("k")).await?;
    at.is_gone(&key("k")).await
}
