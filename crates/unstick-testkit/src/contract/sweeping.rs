//! Deleting what has served, and nothing else.

use unstick_core::{Created, Loaded, Store};

use super::{
    ABSOLUTE, Bench, IDLE, MS, Outcome, SECOND, live,
    outcome::{check, check_eq, check_matches},
};

/// A sweep of nothing deletes nothing.
pub async fn sweep_of_an_empty_store<S: Store>(at: &Bench<S>) -> Outcome {
    check_eq!(at.store().sweep(at.op(at.start() + ABSOLUTE * 2), 100).await?, 0, "how many were swept");
    Ok(())
}

/// Live sessions and standing tombstones survive any number of sweeps.
pub async fn sweep_spares_what_serves<S: Store>(at: &Bench<S>) -> Outcome {
    let (alive, ended) = (at.session().await?, at.session().await?);
    at.store().end(at.op(at.start()), ended.key, None, at.start() + IDLE).await?;
    for now in [at.start(), at.start() + SECOND, at.start() + IDLE - MS] {
        check_eq!(at.store().sweep(at.op(now), 100).await?, 0, "how many were swept at {now:?}");
        live(at.load(now, &alive).await?)?;
        check_eq!(at.load(now, &ended).await?, Loaded::Ended { at: at.start() }, "the tombstone at {now:?}");
    }
    Ok(())
}

/// A renewed session is judged by its new deadline.
pub async fn sweep_sees_renewals<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let renewal = unstick_core::Renewal { idle_deadline: at.start() + IDLE * 10, issued: at.start() };
    at.store().load(at.op(at.start()), subject.key, subject.presented, Some(renewal)).await?;
    for hours in 1..10 {
        let now = at.start() + IDLE * hours;
        at.store().sweep(at.op(now), 100).await?;
        live(at.load(now, &subject).await?)?;
    }
    Ok(())
}

/// Expired sessions and served tombstones go, at most `limit` at a time.
pub async fn sweep_is_bounded<S: Store>(at: &Bench<S>) -> Outcome {
    let mut dead = Vec::new();
    for n in 0..10 {
        let subject = at.session().await?;
        if n % 2 == 0 {
            at.store().end(at.op(at.start()), subject.key, None, at.start() + IDLE).await?;
        }
        dead.push(subject);
    }
    let alive = at.session().await?;
    let renewal = unstick_core::Renewal { idle_deadline: at.start() + ABSOLUTE, issued: at.start() };
    at.store().load(at.op(at.start()), alive.key, alive.presented, Some(renewal)).await?;
    let now = at.start() + IDLE * 10; // past any slack
    let mut total = 0;
    for _ in 0..10 {
        let swept = at.store().sweep(at.op(now), 3).await?;
        check!(swept <= 3, "a sweep limited to 3 deleted {swept}");
        total += swept;
    }
    live(at.load(now, &alive).await?)?;
    if at.sweeps() {
        check_eq!(total, 10, "how many were swept in all");
        for subject in &dead {
            check_eq!(at.load(now, subject).await?, Loaded::Missing, "a swept session");
        }
    }
    check_eq!(at.store().sweep(at.op(now), 0).await?, 0, "a sweep limited to nothing");
    Ok(())
}

/// A key that was swept can be used again.
pub async fn swept_key_is_free<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let now = at.start() + IDLE * 10;
    if at.store().sweep(at.op(now), 10).await? == 0 {
        check!(!at.sweeps(), "an expired session was not swept");
        return Ok(());
    }
    let mut new = subject.new_record(None, Default::default());
    new.idle_deadline = now + IDLE;
    check_matches!(at.store().create(at.op(now), subject.key, &new).await?, Created::Done, "create onto a swept key");
    live(at.load(now, &subject).await?)?;
    Ok(())
}
