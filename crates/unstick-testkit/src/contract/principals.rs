//! Sessions by principal. Vacuous for a store that has no index and need not.

use std::num::NonZeroU32;

use unstick_core::{ErrorKind, Fields, Loaded, RecordKey, Renewal, Reservation, Rotated, SessionEntry, Store};

use super::{
    ABSOLUTE, Bench, Failure, GRACE, IDLE, MS, Outcome, SECOND, Subject, live,
    outcome::{check, check_eq, check_matches},
};

const SKEW: std::time::Duration = std::time::Duration::from_secs(300);

fn max(number: u32) -> Result<NonZeroU32, Failure> {
    NonZeroU32::new(number).ok_or_else(|| Failure::new("a maximum of zero"))
}

fn keys(entries: &[SessionEntry]) -> Vec<RecordKey> {
    let mut keys: Vec<RecordKey> = entries.iter().map(|entry| entry.key).collect();
    keys.sort_unstable();
    keys
}

fn sorted(subjects: &[&Subject]) -> Vec<RecordKey> {
    let mut keys: Vec<RecordKey> = subjects.iter().map(|subject| subject.key).collect();
    keys.sort_unstable();
    keys
}

/// A session is listed under its principal, whether it was created with it or promoted to it, with its deadlines.
pub async fn lists_live_sessions<S: Store>(at: &Bench<S>) -> Outcome {
    let Some(index) = at.index()? else { return Ok(()) };
    check_eq!(index.list(at.op(at.start()), "ann").await?, [], "sessions of an unknown principal");
    let created = at.session_of(Some("ann"), Fields::default()).await?;
    let anonymous = at.session().await?;
    let promoted = anonymous.rotated(at.start())?;
    at.rotate(at.start(), &anonymous, &Subject::rotation(&promoted, None, Some("ann"))).await?;
    let other = at.session_of(Some("Ann"), Fields::default()).await?;
    let entries = index.list(at.op(at.start()), "ann").await?;
    check_eq!(keys(&entries), sorted(&[&created, &promoted]), "sessions of ann");
    check_eq!(keys(&index.list(at.op(at.start()), "Ann").await?), [other.key], "sessions of Ann");
    for entry in &entries {
        check_eq!(entry.created, at.start(), "creation time");
        check_eq!((entry.idle_deadline, entry.absolute_deadline), (at.start() + IDLE, at.start() + ABSOLUTE), "deadlines");
    }
    let renewal = Renewal { idle_deadline: at.start() + IDLE * 2, issued: at.start() };
    at.store().load(at.op(at.start()), other.key, other.presented, Some(renewal)).await?;
    let entries = index.list(at.op(at.start()), "Ann").await?;
    check_eq!(entries[0].idle_deadline, at.start() + IDLE * 2, "idle deadline after a renewal");
    Ok(())
}

/// The oldest session is listed first.
pub async fn lists_oldest_first<S: Store>(at: &Bench<S>) -> Outcome {
    let Some(index) = at.index()? else { return Ok(()) };
    let mut expected = Vec::new();
    for seconds in [3_u32, 1, 2] {
        let subject = at.stranger()?;
        let mut new = subject.new_record(Some("ann"), Fields::default());
        new.created = at.start() + SECOND * seconds;
        at.store().create(at.op(at.start() + SECOND * seconds), subject.key, &new).await?;
        expected.push((new.created, subject.key));
    }
    expected.sort_unstable();
    let entries = index.list(at.op(at.start() + SECOND * 5), "ann").await?;
    let listed: Vec<_> = entries.iter().map(|entry| (entry.created, entry.key)).collect();
    check_eq!(listed, expected, "sessions in order");
    Ok(())
}

/// What has ended, expired, or changed its principal is not listed.
pub async fn lists_no_dead_sessions<S: Store>(at: &Bench<S>) -> Outcome {
    let Some(index) = at.index()? else { return Ok(()) };
    let ended = at.session_of(Some("ann"), Fields::default()).await?;
    let renamed = at.session_of(Some("ann"), Fields::default()).await?;
    let kept = at.session_of(Some("ann"), Fields::default()).await?;
    at.end(at.start(), &ended).await?;
    let bob = renamed.rotated(at.start())?;
    at.rotate(at.start(), &renamed, &Subject::rotation(&bob, None, Some("bob"))).await?;
    check_eq!(keys(&index.list(at.op(at.start()), "ann").await?), [kept.key], "sessions of ann");
    check_eq!(keys(&index.list(at.op(at.start()), "bob").await?), [bob.key], "sessions of bob");
    check_eq!(keys(&index.list(at.op(at.start() + IDLE - MS), "ann").await?), [kept.key], "just before the deadline");
    check_eq!(index.list(at.op(at.start() + IDLE), "ann").await?, [], "at the deadline");
    at.store().sweep(at.op(at.start() + ABSOLUTE * 2), 100).await?;
    check_eq!(index.list(at.op(at.start() + ABSOLUTE * 2), "ann").await?, [], "after a sweep");
    Ok(())
}

/// A session taken from the list can be ended alone.
pub async fn ends_one_by_its_entry<S: Store>(at: &Bench<S>) -> Outcome {
    let Some(index) = at.index()? else { return Ok(()) };
    let one = at.session_of(Some("ann"), Fields::default()).await?;
    let two = at.session_of(Some("ann"), Fields::default()).await?;
    let entries = index.list(at.op(at.start()), "ann").await?;
    let entry = entries.iter().find(|entry| entry.key == one.key).ok_or_else(|| Failure::new("the session is not listed"))?;
    at.store().end(at.op(at.start()), entry.key, None, entry.idle_deadline + SKEW).await?;
    check_matches!(at.load(at.start(), &one).await?, Loaded::Ended { .. }, "the session that was ended");
    live(at.load(at.start(), &two).await?)?;
    check_eq!(keys(&index.list(at.op(at.start()), "ann").await?), [two.key], "who is left");
    Ok(())
}

/// All others end, with tombstones that stand as long as their credentials; the kept one and other principals live on.
pub async fn ends_all_others<S: Store>(at: &Bench<S>) -> Outcome {
    let Some(index) = at.index()? else { return Ok(()) };
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(at.session_of(Some("ann"), Fields::default()).await?);
    }
    let kept = at.session_of(Some("ann"), Fields::default()).await?;
    let bob = at.session_of(Some("bob"), Fields::default()).await?;
    let now = at.start() + SECOND;
    check_eq!(index.end_others(at.op(now), "ann", Some(kept.key), SKEW).await?, 5, "how many were ended");
    at.store().sweep(at.op(at.start() + IDLE + SKEW - MS), 100).await?;
    for other in &others {
        let later = at.start() + IDLE + SKEW - MS;
        check_eq!(at.load(later, other).await?, Loaded::Ended { at: now }, "another session, just before its tombstone has served");
    }
    live(at.load(now, &kept).await?)?;
    live(at.load(now, &bob).await?)?;
    check_eq!(keys(&index.list(at.op(now), "ann").await?), [kept.key], "who is left");
    check_eq!(index.end_others(at.op(now), "ann", Some(kept.key), SKEW).await?, 0, "how many were ended the second time");
    check_eq!(index.end_others(at.op(now), "ann", None, SKEW).await?, 1, "how many were ended without one to keep");
    check_matches!(at.load(now, &kept).await?, Loaded::Ended { .. }, "the last one");
    check_eq!(index.end_others(at.op(now), "nobody", None, SKEW).await?, 0, "how many of nobody's were ended");
    Ok(())
}

/// A session that has reserved its place but is not published yet is ended, too: its creation or promotion is refused.
pub async fn ends_reserved_sessions<S: Store>(at: &Bench<S>) -> Outcome {
    let Some(index) = at.index()? else { return Ok(()) };
    let (creating, promoting) = (at.stranger()?, at.session().await?);
    for subject in [&creating, &promoting] {
        let granted = index.reserve(at.op(at.start()), "ann", subject.key, max(5)?, at.start() + SECOND * 10).await?;
        check_eq!(granted, Reservation::Granted, "the reservation");
    }
    index.end_others(at.op(at.start()), "ann", None, SKEW).await?;
    let created = at.store().create(at.op(at.start()), creating.key, &creating.new_record(Some("ann"), Fields::default())).await?;
    check_matches!(created, unstick_core::Created::Ended { .. }, "the creation under way");
    let new = promoting.rotated(at.start())?;
    let rotated = at.rotate(at.start(), &promoting, &Subject::rotation(&new, None, Some("ann"))).await?;
    check_matches!(rotated, Rotated::Refused(unstick_core::Applied::Ended { .. }), "the promotion under way");
    check_eq!(index.list(at.op(at.start()), "ann").await?, [], "sessions afterwards");
    Ok(())
}

/// Places are counted over live sessions and reservations, and a session's own place is its own.
pub async fn reserve_counts_others<S: Store>(at: &Bench<S>) -> Outcome {
    let Some(index) = at.index()? else { return Ok(()) };
    let until = at.start() + SECOND * 10;
    let published = at.session_of(Some("ann"), Fields::default()).await?;
    let (waiting, third) = (at.stranger()?, at.stranger()?);
    let reserve = |key| index.reserve(at.op(at.start()), "ann", key, NonZeroU32::MIN.saturating_add(1), until);
    check_eq!(reserve(waiting.key).await?, Reservation::Granted, "the second of two places");
    check_eq!(reserve(waiting.key).await?, Reservation::Granted, "the same place once more");
    check_eq!(reserve(published.key).await?, Reservation::Granted, "the place of a live session");
    check_eq!(reserve(third.key).await?, Reservation::Full, "a third of two places");
    check_eq!(index.reserve(at.op(at.start()), "bob", third.key, max(1)?, until).await?, Reservation::Granted, "another principal's place");
    at.store().create(at.op(at.start()), waiting.key, &waiting.new_record(Some("ann"), Fields::default())).await?;
    check_eq!(reserve(third.key).await?, Reservation::Full, "a third place after the second was published");
    check_eq!(keys(&index.list(at.op(until), "ann").await?), sorted(&[&published, &waiting]), "sessions");
    at.end(at.start(), &published).await?;
    check_eq!(reserve(third.key).await?, Reservation::Granted, "a place that an end freed");
    Ok(())
}

/// A place that is not used is given back, to the millisecond; an expired session's place as well.
pub async fn reservation_ends<S: Store>(at: &Bench<S>) -> Outcome {
    let Some(index) = at.index()? else { return Ok(()) };
    let (first, second, third) = (at.stranger()?, at.stranger()?, at.stranger()?);
    let until = at.start() + SECOND * 10;
    let reserve = |now, key, until| index.reserve(at.op(now), "ann", key, NonZeroU32::MIN, until);
    check_eq!(reserve(at.start(), first.key, until).await?, Reservation::Granted, "the first");
    check_eq!(reserve(until - MS, second.key, until + GRACE).await?, Reservation::Full, "the second, just before");
    check_eq!(reserve(until, second.key, until + GRACE).await?, Reservation::Granted, "the second, when the first is over");
    check_eq!(reserve(until, first.key, until + GRACE).await?, Reservation::Full, "the first again");
    at.store().create(at.op(until), second.key, &second.new_record(Some("ann"), Fields::default())).await?;
    check_eq!(reserve(at.start() + IDLE - MS, third.key, at.start() + IDLE * 2).await?, Reservation::Full, "while the second lives");
    check_eq!(reserve(at.start() + IDLE, third.key, at.start() + IDLE * 2).await?, Reservation::Granted, "when it has expired");
    check_eq!(index.list(at.op(at.start() + IDLE), "ann").await?, [], "a reservation is not a session");
    Ok(())
}

/// Fifty logins at once, three places: three get one.
pub async fn reserve_is_atomic<S: Store>(at: &Bench<S>) -> Outcome {
    if at.index()?.is_none() {
        return Ok(());
    }
    let mut tasks = Vec::new();
    let start = super::together(50);
    for n in 0..50 {
        let start = start.clone();
        let (node, op, reservation, subject) = (at.node(n), at.op(at.start()), at.op(at.start()), at.stranger()?);
        let (until, three) = (at.start() + SECOND * 30, max(3)?);
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            let index = node.principal_index().ok_or_else(|| Failure::new("one node has an index and the other has not"))?;
            if index.reserve(reservation, "ann", subject.key, three, until).await? == Reservation::Granted {
                node.create(op, subject.key, &subject.new_record(Some("ann"), Fields::default())).await?;
                return Ok::<bool, Failure>(true);
            }
            Ok(false)
        }));
    }
    let mut granted = 0;
    for task in tasks {
        granted += u32::from(super::joined(task.await)??);
    }
    check_eq!(granted, 3, "how many of 50 got one of 3 places");
    let Some(index) = at.index()? else { return Ok(()) };
    check_eq!(index.list(at.op(at.start()), "ann").await?.len(), 3, "how many sessions live");
    Ok(())
}

/// Late reservations and late ends of others are refused.
pub async fn late_index_writes<S: Store>(at: &Bench<S>) -> Outcome {
    let Some(index) = at.index()? else { return Ok(()) };
    let (subject, other) = (at.session_of(Some("ann"), Fields::default()).await?, at.stranger()?);
    let reserved = index.reserve(at.late_op(), "ann", other.key, max(9)?, at.start() + IDLE).await;
    check_eq!(reserved.map_err(|error| error.kind()), Err(ErrorKind::Late), "a late reservation");
    let ended = index.end_others(at.late_op(), "ann", None, SKEW).await;
    check_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::Late), "a late end of others");
    live(at.load(at.start(), &subject).await?)?;
    check_eq!(
        index.reserve(at.op(at.start()), "ann", at.stranger()?.key, max(2)?, at.start() + IDLE).await?,
        Reservation::Granted,
        "the second place"
    );
    Ok(())
}

/// A session created while all others are ended is either ended or listed afterwards; it is never alive and unlisted.
pub async fn no_session_escapes_end_others<S: Store>(at: &Bench<S>) -> Outcome {
    if at.index()?.is_none() {
        return Ok(());
    }
    for round in 0..20 {
        let principal = format!("ann-{round}");
        let subject = at.stranger()?;
        let (node, other) = (at.node(round), at.node(round + 1));
        let (create, end, new) = (at.op(at.start()), at.op(at.start()), subject.new_record(Some(&principal), Fields::default()));
        let start = super::together(2);
        let creating = {
            let start = start.clone();
            tokio::spawn(async move {
                start.wait().await;
                node.create(create, subject.key, &new).await
            })
        };
        let name = principal.clone();
        let ending = tokio::spawn(async move {
            start.wait().await;
            match other.principal_index() {
                Some(index) => index.end_others(end, &name, None, SKEW).await,
                None => Ok(0),
            }
        });
        let created = super::joined(creating.await)??;
        let ended = super::joined(ending.await)??;
        let Some(index) = at.index()? else { return Ok(()) };
        let listed = keys(&index.list(at.op(at.start()), &principal).await?).contains(&subject.key);
        match at.load(at.start(), &subject).await? {
            Loaded::Live(_) => check!(listed && ended == 0, "alive, listed: {listed}, ended: {ended}"),
            // a session whose creation was refused was never live; a store that creates in several steps may have ended it between two of them
            Loaded::Ended { .. } if matches!(created, unstick_core::Created::Ended { .. }) => {
                check!(!listed && ended <= 1, "refused, listed: {listed}, ended: {ended}");
            }
            Loaded::Ended { .. } => check!(!listed && ended == 1, "ended, listed: {listed}, ended: {ended}"),
            other => check!(false, "neither alive nor ended: {other:?}"),
        }
    }
    Ok(())
}
