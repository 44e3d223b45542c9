//! One load at a time: leases are exclusive, run out, and belong to their holder alone.

use std::time::Duration;

use unstick_core::{Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, Want};

use super::{LevelBench, MINUTE, key, value};
use crate::contract::{
    Outcome,
    outcome::{check, check_eq, check_matches},
};

const SOON: Duration = Duration::from_millis(300);
const DONE: Filled = Filled::Done { awaited: false };

/// Asks as another node, and must be told to wait.
async fn waits<L: Level>(at: &LevelBench<L>, key: &LevelKey) -> Outcome {
    let want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };
    check_matches!(at.other().read_or_lease(at.op(), key, &want).await?, Looked::Held { stale: None, .. }, "while somebody loads");
    Ok(())
}

/// Who asks second is told to wait, and for how long at most; so is the holder itself.
pub async fn one_holder_per_key<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.lease(&key("k")).await?;
    let want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE * 5 };
    for node in 0..2 {
        match at.node(node).read_or_lease(at.op(), &key("k"), &want).await? {
            Looked::Held { remaining, stale: None } => {
                check!(remaining <= MINUTE && !remaining.is_zero(), "the lease is held for {remaining:?} more");
            }
            other => check!(false, "while somebody loads: {other:?}"),
        }
    }
    Ok(())
}

/// Loads of different keys do not wait for one another.
pub async fn keys_have_leases_of_their_own<L: Level>(at: &LevelBench<L>) -> Outcome {
    let (one, two) = (at.lease(&key("one")).await?, at.lease(&key("two")).await?);
    check!(one.token != two.token, "two leases have one token");
    check_eq!(at.fill(&key("one"), two, &value("mixed up")).await?, Filled::Refused, "the lease of another key");
    check_eq!(at.fill(&key("two"), two, &value("2")).await?, DONE, "the right lease");
    Ok(())
}

/// A holder that is never heard of again holds nobody up for longer than its lease.
pub async fn lease_runs_out<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.lease_for(&key("k"), 1, SOON).await?;
    at.pass(SOON).await;
    at.lease(&key("k")).await?;
    waits(at, &key("k")).await
}

/// An extension counts from when it is made.
pub async fn extended_lease_is_held_longer<L: Level>(at: &LevelBench<L>) -> Outcome {
    // long enough for the extension to come in time
    let brief = Duration::from_secs(2);
    let lease = at.lease_for(&key("k"), 1, brief).await?;
    if !at.level().extend(at.op(), &key("k"), 1, lease.token, MINUTE).await? {
        return at.lease(&key("k")).await.map(drop); // this machine stopped for two seconds: then it must have run out
    }
    at.pass(brief).await;
    waits(at, &key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("v")).await?, Filled::Done { awaited: true }, "the fill under an extended lease");
    let lease = at.lease(&key("short")).await?;
    check!(at.level().extend(at.op(), &key("short"), 1, lease.token, SOON).await?, "the lease is there");
    at.pass(SOON).await;
    at.lease(&key("short")).await?;
    Ok(())
}

/// Nobody extends a lease that is not theirs, or that has run out.
pub async fn only_the_holder_extends<L: Level>(at: &LevelBench<L>) -> Outcome {
    let never = at.level().extend(at.op(), &key("k"), 1, LeaseToken(7), MINUTE).await?;
    check!(!never, "a lease that nobody has was extended");
    let first = at.lease_for(&key("k"), 1, SOON).await?;
    at.pass(SOON).await;
    check!(!at.level().extend(at.op(), &key("k"), 1, first.token, MINUTE).await?, "a lease that ran out was extended");
    let second = at.lease(&key("k")).await?;
    check!(!at.other().extend(at.op(), &key("k"), 1, first.token, MINUTE).await?, "the lease of another was extended");
    check!(!at.other().extend(at.op(), &key("k"), 2, second.token, MINUTE).await?, "the lease of another schema was extended");
    check!(at.other().extend(at.op(), &key("k"), 1, second.token, MINUTE).await?, "the holder cannot extend");
    Ok(())
}

/// A load that failed makes way for the next at once.
pub async fn released_lease_is_free<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    check!(!at.level().release(at.op(), &key("k"), lease).await?, "nobody waits");
    at.is_gone(&key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("v")).await?, Filled::Refused, "a fill under a lease that was given back");
    at.is_gone(&key("k")).await
}

/// A late release frees nobody else's lease.
pub async fn only_the_holder_releases<L: Level>(at: &LevelBench<L>) -> Outcome {
    let first = at.lease(&key("k")).await?;
    at.level().release(at.op(), &key("k"), first).await?;
    let second = at.lease(&key("k")).await?;
    waits(at, &key("k")).await?;
    check!(!at.level().release(at.op(), &key("k"), first).await?, "who lost the lease hears about another's waiters");
    waits(at, &key("k")).await?;
    check_eq!(at.fill(&key("k"), second, &value("v")).await?, Filled::Done { awaited: true }, "the fill of the holder");
    Ok(())
}

/// After a fill the next load can begin.
pub async fn fill_gives_the_lease_back<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &LevelValue { fresh: Duration::ZERO, ..value("v") }).await?, DONE, "the fill");
    at.lease(&key("k")).await?;
    Ok(())
}

/// After a refused fill the next load can begin, too.
pub async fn refused_fill_gives_the_lease_back<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("known"), &super::tagged("v", &["t"])).await?;
    let lease = at.lease(&key("k")).await?;
    at.invalidate(unstick_core::Target::Tag("t".into())).await?;
    check_eq!(at.fill(&key("k"), lease, &super::tagged("v", &["t"])).await?, Filled::Refused, "a fill from before the invalidation");
    at.is_gone(&key("k")).await
}

/// A load that took longer than its lease does not fill: it may have been invalidated since.
pub async fn lease_that_ran_out_fills_nothing<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease_for(&key("k"), 1, SOON).await?;
    at.pass(SOON).await;
    check_eq!(at.fill(&key("k"), lease, &value("late")).await?, Filled::Refused, "a fill after the lease");
    at.is_gone(&key("k")).await
}

/// The lease belongs to whom it was given last.
pub async fn lease_that_another_took_fills_nothing<L: Level>(at: &LevelBench<L>) -> Outcome {
    let first = at.lease_for(&key("k"), 1, SOON).await?;
    at.pass(SOON).await;
    let second = at.lease(&key("k")).await?;
    check_eq!(at.fill(&key("k"), first, &value("late")).await?, Filled::Refused, "the fill of who lost the lease");
    waits(at, &key("k")).await?;
    check_eq!(at.fill(&key("k"), second, &value("v")).await?, Filled::Done { awaited: true }, "the fill of the holder");
    at.has(&key("k"), &value("v")).await
}

/// A second delivery of a fill does not put back what came between.
pub async fn a_lease_fills_once<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &LevelValue { fresh: Duration::ZERO, ..value("1") }).await?, DONE, "the first fill");
    at.put(&key("k"), &value("2")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("1")).await?, Filled::Refused, "the same fill again");
    at.has(&key("k"), &value("2")).await
}

/// Nobody fills who was given no lease.
pub async fn no_lease_fills_nothing<L: Level>(at: &LevelBench<L>) -> Outcome {
    let real = at.lease(&key("elsewhere")).await?;
    let invented = Held { token: LeaseToken(real.token.0 ^ 1 << 100), ..real };
    for lease in [real, invented] {
        check_eq!(at.fill(&key("k"), lease, &value("v")).await?, Filled::Refused, "a fill without a lease");
    }
    at.is_gone(&key("k")).await
}

/// The filler hears that somebody was told to wait, and only then.
pub async fn awaited_when_somebody_was_told_to_wait<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    waits(at, &key("k")).await?;
    waits(at, &key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("v")).await?, Filled::Done { awaited: true }, "a fill that others wait for");
    let lease = at.lease(&key("lonely")).await?;
    check_eq!(at.fill(&key("lonely"), lease, &value("v")).await?, DONE, "a fill that nobody waits for");
    Ok(())
}

/// Reading, finding, and asking for another key are no waiting.
pub async fn nobody_awaits_by_reading<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &value("old")).await?;
    let lease = at.refresh(&key("k"), Want { schema: 1, more_than: MINUTE * 15, lease: MINUTE }).await?;
    at.has(&key("k"), &value("old")).await?;
    at.lease(&key("other")).await?;
    waits(at, &key("other")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("new")).await?, DONE, "a refresh that everybody else did without");
    Ok(())
}

/// An extension does not forget who waits.
pub async fn extending_keeps_who_waits<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    waits(at, &key("k")).await?;
    check!(at.level().extend(at.op(), &key("k"), 1, lease.token, MINUTE * 2).await?, "the lease is there");
    check_eq!(at.fill(&key("k"), lease, &value("v")).await?, Filled::Done { awaited: true }, "a fill that others wait for");
    Ok(())
}

/// Whose load failed hears that somebody waits.
pub async fn waiting_is_told_by_release<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    waits(at, &key("k")).await?;
    check!(at.level().release(at.op(), &key("k"), lease).await?, "somebody waits");
    Ok(())
}

/// Who waited for one load is not counted for the next.
pub async fn next_holder_is_not_awaited<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease_for(&key("k"), 1, Duration::from_secs(2)).await?;
    waits(at, &key("k")).await?;
    at.level().release(at.op(), &key("k"), lease).await?;
    let lease = at.lease_for(&key("k"), 1, Duration::from_secs(2)).await?;
    waits(at, &key("k")).await?;
    at.pass(Duration::from_secs(2)).await;
    check!(!at.level().release(at.op(), &key("k"), lease).await?, "the lease has run out");
    let lease = at.lease(&key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &value("v")).await?, DONE, "a fill that nobody waits for");
    Ok(())
}
