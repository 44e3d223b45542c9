//! Tombstones: an ended session does not come back.

use unstick_core::{Applied, Change, Created, Ended, Fields, Loaded, Renewal, Rotated, Store, Timestamp};

use super::{
    ABSOLUTE, Bench, GRACE, IDLE, MS, Outcome, SECOND, Subject, live,
    outcome::{check, check_eq, check_matches},
};

/// Nothing gets past a tombstone.
async fn stays_ended<S: Store>(at: &Bench<S>, subject: &Subject, now: Timestamp, ended: Timestamp) -> Outcome {
    let gone = Applied::Ended { at: ended };
    check_eq!(at.load(now, subject).await?, Loaded::Ended { at: ended }, "load");
    let renewal = Renewal { idle_deadline: now + IDLE, issued: now };
    let renewed = at.store().load(at.op(now), subject.key, subject.presented, Some(renewal)).await?;
    check_eq!(renewed, Loaded::Ended { at: ended }, "load with a renewal");
    check_eq!(at.apply(now, subject, &Change::new().set("n", "1")).await?, gone, "apply");
    let renewing = Change { renewal: Some(renewal), ..Change::new() };
    check_eq!(at.apply(now, subject, &renewing).await?, gone, "apply of a renewal");
    let new = subject.rotated(now)?;
    for grace in [None, Some(now + GRACE)] {
        let rotated = at.rotate(now, subject, &Subject::rotation(&new, grace, Some("ann"))).await?;
        check_eq!(rotated, Rotated::Refused(gone.clone()), "rotate");
    }
    let created = at.store().create(at.op(now), subject.key, &subject.new_record(None, Fields::default())).await?;
    check_eq!(created, Created::Ended { at: ended }, "create");
    check_eq!(at.load(now, subject).await?, Loaded::Ended { at: ended }, "load after all attempts");
    check_eq!(at.load(now, &new).await?, Loaded::Ended { at: ended }, "load by another secret after all attempts");
    Ok(())
}

/// After an end every write is refused, and says so.
pub async fn end_leaves_a_tombstone<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let ended = at.start() + SECOND;
    check!(at.apply(at.start(), &subject, &Change::new().set("n", "1")).await?.is_done(), "a write before the end");
    check_eq!(at.end(ended, &subject).await?, Ended::Done { was_live: true }, "the end");
    stays_ended(at, &subject, ended, ended).await?;
    stays_ended(at, &subject, ended + IDLE, ended).await
}

/// An end of what is not there leaves a tombstone too: the creation may still be under way.
pub async fn end_of_a_missing_session_leaves_a_tombstone<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.stranger()?;
    check_eq!(at.end(at.start(), &subject).await?, Ended::Done { was_live: false }, "the end");
    stays_ended(at, &subject, at.start() + SECOND, at.start()).await?;
    let other = at.stranger()?;
    let ended = at.store().end(at.op(at.start()), other.key, None, at.start() + IDLE).await?;
    check_eq!(ended, Ended::Done { was_live: false }, "the administrative end");
    stays_ended(at, &other, at.start() + SECOND, at.start()).await
}

/// Administration ends a session without knowing its secret.
pub async fn administrative_end<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session_of(Some("ann"), Fields::default()).await?;
    let ended = at.store().end(at.op(at.start()), subject.key, None, at.start() + IDLE * 2).await?;
    check_eq!(ended, Ended::Done { was_live: true }, "the end");
    stays_ended(at, &subject, at.start() + SECOND, at.start()).await
}

/// The first end's time is kept.
pub async fn second_end_keeps_the_first_time<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    at.end(at.start() + SECOND, &subject).await?;
    check_eq!(at.end(at.start() + SECOND * 2, &subject).await?, Ended::Done { was_live: false }, "the second end");
    stays_ended(at, &subject, at.start() + SECOND * 3, at.start() + SECOND).await
}

/// The longest request for a tombstone is kept, whichever came first. A sweep shows it.
pub async fn second_end_keeps_the_longest_tombstone<S: Store>(at: &Bench<S>) -> Outcome {
    let (short, long) = (at.start() + IDLE, at.start() + ABSOLUTE);
    for (first, second) in [(short, long), (long, short)] {
        let subject = at.session().await?;
        for until in [first, second] {
            at.store().end(at.op(at.start()), subject.key, Some(subject.presented), until).await?;
        }
        at.store().sweep(at.op(long - MS), 100).await?;
        check_eq!(at.load(long - MS, &subject).await?, Loaded::Ended { at: at.start() }, "one millisecond before the later of both");
    }
    Ok(())
}

/// An id in its grace may end the session; the session ends under every id.
pub async fn end_by_an_id_in_grace<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let new = subject.rotated(at.start())?;
    at.rotate(at.start(), &subject, &Subject::rotation(&new, Some(at.start() + GRACE), None)).await?;
    check_eq!(at.end(at.start() + SECOND, &subject).await?, Ended::Done { was_live: true }, "the end by the old id");
    stays_ended(at, &new, at.start() + SECOND * 2, at.start() + SECOND).await?;
    stays_ended(at, &subject, at.start() + SECOND * 2, at.start() + SECOND).await
}

/// After the end by the new id, the old one is dead within its grace too.
pub async fn end_ends_an_id_in_grace<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let new = subject.rotated(at.start())?;
    at.rotate(at.start(), &subject, &Subject::rotation(&new, Some(at.start() + GRACE), None)).await?;
    at.end(at.start() + SECOND, &new).await?;
    stays_ended(at, &subject, at.start() + SECOND * 2, at.start() + SECOND).await
}

/// An id that was replaced may not end its successor: that would log out whoever logged in since.
pub async fn superseded_id_cannot_end<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let new = subject.rotated(at.start())?;
    at.rotate(at.start(), &subject, &Subject::rotation(&new, None, Some("ann"))).await?;
    check_eq!(at.end(at.start() + SECOND, &subject).await?, Ended::Superseded { at: at.start() }, "the end by the old id");
    let session = live(at.load(at.start() + SECOND, &new).await?)?;
    check_eq!(session.principal.as_deref(), Some("ann"), "the session afterwards");
    Ok(())
}

/// An expired session can be ended, and is ended from then on.
pub async fn end_of_an_expired_session<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let now = at.start() + IDLE + SECOND;
    check_matches!(at.end(now, &subject).await?, Ended::Done { .. }, "the end");
    stays_ended(at, &subject, now, now).await
}
