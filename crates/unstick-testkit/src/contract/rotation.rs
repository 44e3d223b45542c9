//! Replacing an id, with a grace for the old one or without.

use unstick_core::{Applied, Change, FieldVersion, Fields, Loaded, Proof, Renewal, Rotated, Store};

use super::{
    Bench, GRACE, IDLE, MS, Outcome, SECOND, Subject, live,
    outcome::{check, check_eq, check_matches, value},
};

/// The old id is served until its grace ends, to the millisecond, and is superseded from then on.
pub async fn grace_is_exact<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let now = at.start() + SECOND;
    let (new, end) = (subject.rotated(now)?, now + GRACE);
    let rotated = at.rotate(now, &subject, &Subject::rotation(&new, Some(end), None)).await?;
    check_eq!(rotated, Rotated::Done { rotated: true, idle_deadline: now + IDLE }, "the rotation");
    check_eq!(live(at.load(now, &new).await?)?.proof, Proof::Current, "standing of the new id");
    check_eq!(live(at.load(end - MS, &subject).await?)?.proof, Proof::Grace, "standing of the old id in its grace");
    let in_grace = at.apply(end - MS, &subject, &Change::new().set("n", "1")).await?;
    check_eq!(in_grace, Applied::Done { proof: Proof::Grace, idle_deadline: now + IDLE }, "a write by the old id in its grace");
    check_eq!(at.load(end, &subject).await?, Loaded::Superseded { at: now }, "load by the old id after its grace");
    let refused = at.apply(end, &subject, &Change::new().set("n", "2")).await?;
    check_eq!(refused, Applied::Superseded { at: now }, "a write by the old id after its grace");
    check_eq!(value(&at.fields(end, &new).await?, "n"), Some(&b"1"[..]), "what the old id wrote");
    Ok(())
}

/// After a promotion the old id is dead at once, and what is in flight under it is refused.
pub async fn promotion_has_no_grace<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let now = at.start() + SECOND;
    let new = subject.rotated(now)?;
    at.rotate(now, &subject, &Subject::rotation(&new, None, Some("ann"))).await?;
    check_eq!(at.load(now, &subject).await?, Loaded::Superseded { at: now }, "load by the old id");
    let planted = at.apply(now, &subject, &Change::new().set("planted", "1")).await?;
    check_eq!(planted, Applied::Superseded { at: now }, "a write by the old id");
    let other = subject.rotated(now)?;
    for grace in [None, Some(now + GRACE)] {
        let again = at.rotate(now, &subject, &Subject::rotation(&other, grace, Some("eve"))).await?;
        check_eq!(again, Rotated::Refused(Applied::Superseded { at: now }), "a rotation by the old id");
    }
    let session = live(at.load(now, &new).await?)?;
    check_eq!(session.principal.as_deref(), Some("ann"), "principal");
    check!(session.fields.is_empty(), "the dead id's write is in");
    Ok(())
}

/// A promotion takes the grace of an earlier rotation away.
pub async fn promotion_ends_an_earlier_grace<S: Store>(at: &Bench<S>) -> Outcome {
    let first = at.session().await?;
    let second = first.rotated(at.start())?;
    at.rotate(at.start(), &first, &Subject::rotation(&second, Some(at.start() + GRACE), None)).await?;
    let third = second.rotated(at.start())?;
    at.rotate(at.start(), &second, &Subject::rotation(&third, None, Some("ann"))).await?;
    for old in [&first, &second] {
        check_matches!(at.load(at.start(), old).await?, Loaded::Superseded { .. }, "an id from before the promotion");
    }
    Ok(())
}

/// An id in its grace gets its change in but no new id, and cannot promote.
pub async fn id_in_grace_neither_rotates_nor_promotes<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let now = at.start() + SECOND;
    let new = subject.rotated(now)?;
    at.rotate(now, &subject, &Subject::rotation(&new, Some(now + GRACE), None)).await?;
    let other = subject.rotated(now)?;
    let rotation = Subject::rotation(&other, Some(now + GRACE * 2), None);
    let change = Change::new().set("n", "1");
    let rotated = at.store().rotate(at.op(now), subject.key, subject.presented, &rotation, &change).await?;
    check_matches!(rotated, Rotated::Done { rotated: false, .. }, "a rotation by an id in its grace");
    check_eq!(value(&at.fields(now, &new).await?, "n"), Some(&b"1"[..]), "the change that came with it");
    check_matches!(at.load(now, &other).await?, Loaded::Superseded { .. }, "the id that it asked for");
    check_matches!(at.load(now + GRACE, &subject).await?, Loaded::Superseded { .. }, "the old id: its grace was not extended");

    let promotion = Subject::rotation(&other, None, Some("eve"));
    let change = Change::new().set("n", "2");
    let promoted = at.store().rotate(at.op(now), subject.key, subject.presented, &promotion, &change).await?;
    check_eq!(promoted, Rotated::Refused(Applied::Superseded { at: now }), "a promotion by an id in its grace");
    let session = live(at.load(now, &new).await?)?;
    check_eq!((session.proof, session.principal), (Proof::Current, None), "the session afterwards");
    check_eq!(value(&session.fields, "n"), Some(&b"1"[..]), "the refused promotion's change");
    Ok(())
}

/// An id that was replaced twice is dead.
pub async fn only_one_previous_id_is_served<S: Store>(at: &Bench<S>) -> Outcome {
    let first = at.session().await?;
    let second = first.rotated(at.start())?;
    at.rotate(at.start(), &first, &Subject::rotation(&second, Some(at.start() + GRACE), None)).await?;
    let third = second.rotated(at.start())?;
    at.rotate(at.start() + MS, &second, &Subject::rotation(&third, Some(at.start() + GRACE), None)).await?;
    check_eq!(at.load(at.start() + MS, &first).await?, Loaded::Superseded { at: at.start() + MS }, "the first id");
    check_eq!(live(at.load(at.start() + MS, &second).await?)?.proof, Proof::Grace, "standing of the second id");
    check_eq!(live(at.load(at.start() + MS, &third).await?)?.proof, Proof::Current, "standing of the third id");
    Ok(())
}

/// The rotation and the change that comes with it are one step: both or neither.
pub async fn rotation_is_all_or_nothing<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let new = subject.rotated(at.start())?;
    let rotation = Subject::rotation(&new, None, Some("ann"));
    let conflict = Change::new().set("n", "1").expect("n", FieldVersion::from_u64(7));
    let refused = at.store().rotate(at.op(at.start()), subject.key, subject.presented, &rotation, &conflict).await?;
    check_eq!(refused, Rotated::Refused(Applied::Conflict(Fields::default())), "a rotation with a conflict");
    let large = Change { max_size: 1_000, ..Change::new().set("n", vec![b'x'; 5_000]) };
    let refused = at.store().rotate(at.op(at.start()), subject.key, subject.presented, &rotation, &large).await?;
    check_eq!(refused, Rotated::Refused(Applied::TooLarge), "a rotation with too large a change");
    let session = live(at.load(at.start(), &subject).await?)?;
    check_eq!((session.proof, session.principal), (Proof::Current, None), "the session after both");
    check_matches!(at.load(at.start(), &new).await?, Loaded::Superseded { .. }, "the id that was not given");

    let change = Change { clear: true, ..Change::new().set("n", "1").expect("n", FieldVersion::ABSENT) };
    let done = at.store().rotate(at.op(at.start()), subject.key, subject.presented, &rotation, &change).await?;
    check_matches!(done, Rotated::Done { rotated: true, .. }, "a rotation with a change that fits");
    let session = live(at.load(at.start(), &new).await?)?;
    check_eq!(session.principal.as_deref(), Some("ann"), "principal");
    check_eq!(value(&session.fields, "n"), Some(&b"1"[..]), "the field");
    Ok(())
}

/// A rotation without a principal keeps the present one, and all fields.
pub async fn rotation_keeps_the_session<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session_of(Some("ann"), Fields::default()).await?;
    at.apply(at.start(), &subject, &Change::new().set("a", "1").set("b", "2")).await?;
    let before = live(at.load(at.start(), &subject).await?)?;
    let new = subject.rotated(at.start())?;
    at.rotate(at.start(), &subject, &Subject::rotation(&new, Some(at.start() + GRACE), None)).await?;
    let after = unstick_core::LiveSession { grace_until: Some(at.start() + GRACE), ..before };
    check_eq!(live(at.load(at.start(), &new).await?)?, after, "the session under its new id");
    Ok(())
}

/// Of parallel rotations of one id, one rotates; the others are served in the grace of the old id.
pub async fn parallel_rotations_give_one_id<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let mut tasks = Vec::new();
    let start = super::together(20);
    for n in 0..20 {
        let start = start.clone();
        let (node, op, new) = (at.node(n), at.op(at.start()), subject.rotated(at.start())?);
        let rotation = Subject::rotation(&new, Some(at.start() + GRACE), None);
        let change = Change::new().set(&format!("from {n}"), "1");
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            (new, node.rotate(op, subject.key, subject.presented, &rotation, &change).await)
        }));
    }
    let mut winners = Vec::new();
    for task in tasks {
        let (new, rotated) = super::joined(task.await)?;
        match rotated? {
            Rotated::Done { rotated: true, .. } => winners.push(new),
            Rotated::Done { rotated: false, .. } => {}
            other => check!(false, "a parallel rotation was answered {other:?}"),
        }
    }
    check_eq!(winners.len(), 1, "how many rotated");
    let session = live(at.load(at.start(), &winners[0]).await?)?;
    check_eq!(session.proof, Proof::Current, "standing of the id that won");
    check_eq!(session.fields.len(), 20, "how many of the changes are in");
    Ok(())
}

/// A client may receive a renewal of the old id, or one of several, behind the rotation. Such a credential is served after
/// the grace, and can rotate; the same secret issued before the overlap is not.
pub async fn reordered_renewal_is_served<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let (renewed_at, now) = (at.start() + SECOND, at.start() + SECOND * 2);
    let renewed = subject.reissued(renewed_at);
    let renewal = Renewal { idle_deadline: renewed_at + IDLE, issued: renewed_at };
    live(at.store().load(at.op(renewed_at), subject.key, subject.presented, Some(renewal)).await?)?;
    let new = subject.rotated(now)?;
    let rotation = unstick_core::Rotation { overlap_since: renewed_at, ..Subject::rotation(&new, Some(now + GRACE), None) };
    at.rotate(now, &subject, &rotation).await?;

    let after = now + GRACE;
    check_eq!(live(at.load(after - MS, &renewed).await?)?.proof, Proof::Grace, "its standing within the grace");
    check_eq!(live(at.load(after, &renewed).await?)?.proof, Proof::Reordered, "its standing after the grace");
    check_eq!(at.load(after, &subject).await?, Loaded::Superseded { at: now }, "the first issue of the same secret");
    check_eq!(at.load(after, &subject.reissued(renewed_at - MS)).await?, Loaded::Superseded { at: now }, "an issue before the overlap");
    check_eq!(live(at.load(after, &subject.reissued(renewed_at + MS)).await?)?.proof, Proof::Reordered, "another issue in the overlap");
    let applied = at.apply(after, &renewed, &Change::new().set("n", "1")).await?;
    check_matches!(applied, Applied::Done { proof: Proof::Reordered, .. }, "a write by it");
    let fresh = renewed.rotated(after)?;
    let rotated = at.rotate(after, &renewed, &Subject::rotation(&fresh, Some(after + GRACE), None)).await?;
    check_matches!(rotated, Rotated::Done { rotated: true, .. }, "a rotation by it");
    check_eq!(live(at.load(after, &fresh).await?)?.proof, Proof::Current, "standing of its fresh id");
    check_eq!(live(at.load(after, &new).await?)?.proof, Proof::Grace, "standing of the id that the client never used");
    check_eq!(at.load(after, &renewed).await?, Loaded::Superseded { at: after }, "its own standing then");
    Ok(())
}

/// A renewal that cannot have overlapped the rotation is not remembered.
pub async fn old_renewal_is_not_taken_for_reordered<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let (renewed_at, now) = (at.start() + SECOND, at.start() + SECOND * 100);
    let renewed = subject.reissued(renewed_at);
    let renewal = Renewal { idle_deadline: renewed_at + IDLE, issued: renewed_at };
    live(at.store().load(at.op(renewed_at), subject.key, subject.presented, Some(renewal)).await?)?;
    let new = subject.rotated(now)?;
    let rotation = unstick_core::Rotation { overlap_since: renewed_at + MS, ..Subject::rotation(&new, Some(now + GRACE), None) };
    at.rotate(now, &subject, &rotation).await?;
    check_eq!(at.load(now + GRACE, &renewed).await?, Loaded::Superseded { at: now }, "the renewed old id after its grace");
    Ok(())
}

/// Nor is one remembered across a promotion.
pub async fn promotion_forgets_reordered<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let renewed = subject.reissued(at.start() + SECOND);
    let renewal = Renewal { idle_deadline: at.start() + IDLE * 2, issued: at.start() + SECOND };
    live(at.store().load(at.op(at.start() + SECOND), subject.key, subject.presented, Some(renewal)).await?)?;
    let new = subject.rotated(at.start() + SECOND)?;
    at.rotate(at.start() + SECOND, &subject, &Subject::rotation(&new, None, Some("ann"))).await?;
    check_matches!(at.load(at.start() + SECOND, &renewed).await?, Loaded::Superseded { .. }, "the renewed id from before the promotion");
    Ok(())
}
