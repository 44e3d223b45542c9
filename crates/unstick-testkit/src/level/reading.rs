//! Values are found until their time is over.

use std::time::Duration;

use unstick_core::{Filled, Level, LevelValue, Looked, Want};

use super::{LevelBench, MINUTE, key, value};
use crate::contract::{
    Outcome,
    outcome::{check, check_eq, check_matches},
};

const SOON: Duration = Duration::from_millis(300);

fn want(more_than: Duration) -> Want {
    Want { schema: 1, more_than, lease: MINUTE }
}

/// There is nothing in an empty level, and reading puts nothing in.
pub async fn empty_level_has_nothing<L: Level>(at: &LevelBench<L>) -> Outcome {
    check_eq!(at.read(&key("k")).await?, None, "what is read");
    at.is_gone(&key("k")).await
}

/// A value is found by every node, with its tags, and with the time that it has left.
pub async fn filled_value_is_found_by_all<L: Level>(at: &LevelBench<L>) -> Outcome {
    let filled = super::tagged("cart", &["customer:7", "market:se"]);
    at.put(&key("k"), &filled).await?;
    at.has(&key("k"), &filled).await?;
    at.is_gone(&key("other")).await?;
    let Some(read) = at.read(&key("k")).await? else { return Err(crate::contract::Failure::new("the value is gone")) };
    check!(read.fresh <= filled.fresh && read.fresh + MINUTE > filled.fresh, "it is fresh for {:?} more", read.fresh);
    check!(read.kept <= filled.kept && read.kept + MINUTE > filled.kept, "it is kept for {:?} more", read.kept);
    Ok(())
}

/// Reading is not the start of a load.
pub async fn read_takes_no_lease<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.read(&key("k")).await?;
    at.lease(&key("k")).await?;
    at.read(&key("k")).await?;
    Ok(())
}

/// A value that is no longer fresh is still read, as such, and a loader gets the lease.
pub async fn what_is_kept_outlives_what_is_fresh<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &LevelValue { fresh: SOON, ..value("old") }).await?;
    at.pass(SOON).await;
    let read = at.read(&key("k")).await?.map(|read| (read.bytes, read.fresh));
    check_eq!(read, Some(("old".into(), Duration::ZERO)), "what is read after it was fresh");
    at.lease(&key("k")).await?;
    Ok(())
}

/// A value is gone when it is no longer kept.
pub async fn kept_value_goes<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &LevelValue { fresh: SOON, kept: SOON, ..value("old") }).await?;
    at.put(&key("stays"), &value("new")).await?;
    at.pass(SOON).await;
    at.is_gone(&key("k")).await?;
    at.has(&key("stays"), &value("new")).await
}

/// Who wants a value that stays fresh for longer gets the lease, with the value beside it; others go on finding it.
pub async fn value_that_is_fresh_for_too_short<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &value("old")).await?;
    let enough = at.level().read_or_lease(at.op(), &key("k"), &want(MINUTE * 8)).await?;
    check_matches!(enough, Looked::Found(_), "fresh for longer than wanted");
    match at.level().read_or_lease(at.op(), &key("k"), &want(MINUTE * 10)).await? {
        Looked::Leased { stale: Some(stale), .. } => check_eq!(stale.bytes, "old", "the value beside the lease"),
        other => check!(false, "a value fresh for too short was answered by {other:?}"),
    }
    at.has(&key("k"), &value("old")).await
}

/// Who gets the lease also gets what there is.
pub async fn stale_value_comes_with_the_lease<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &LevelValue { fresh: Duration::ZERO, ..value("old") }).await?;
    match at.other().read_or_lease(at.op(), &key("k"), &want(Duration::ZERO)).await? {
        Looked::Leased { stale: Some(stale), .. } => {
            check_eq!((stale.bytes, stale.fresh), ("old".into(), Duration::ZERO), "the value beside the lease");
            check!(stale.kept > MINUTE, "it is kept for {:?} more", stale.kept);
        }
        other => check!(false, "a value that is only kept was answered by {other:?}"),
    }
    Ok(())
}

/// Who has to wait is given what there is, while it is kept.
pub async fn stale_value_comes_to_those_who_wait<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &LevelValue { fresh: Duration::ZERO, kept: SOON, ..value("brief") }).await?;
    at.pass(SOON).await;
    at.lease(&key("k")).await?;
    let waits = at.other().read_or_lease(at.op(), &key("k"), &want(Duration::ZERO)).await?;
    check_matches!(waits, Looked::Held { stale: None, .. }, "with a value that is not kept any more");

    at.put(&key("long"), &LevelValue { fresh: Duration::ZERO, ..value("old") }).await?;
    at.lease(&key("long")).await?;
    match at.other().read_or_lease(at.op(), &key("long"), &want(Duration::ZERO)).await? {
        Looked::Held { stale: Some(stale), remaining } => {
            check_eq!(stale.bytes, "old", "the value for those who wait");
            check!(remaining <= MINUTE && !remaining.is_zero(), "the lease is held for {remaining:?} more");
        }
        other => check!(false, "a value that is only kept was answered by {other:?}"),
    }
    Ok(())
}

/// The last value counts, with its own times and tags.
pub async fn fill_replaces<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &LevelValue { fresh: Duration::ZERO, ..super::tagged("old", &["a"]) }).await?;
    let lease = at.lease(&key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("new")).await?, Filled::Done { awaited: false }, "the fill");
    at.has(&key("k"), &value("new")).await
}
