//! Deadlines, to the millisecond, and their renewal.

use unstick_core::{Applied, Change, FieldVersion, Loaded, Proof, Renewal, Rotated, Store, Timestamp};

use super::{
    ABSOLUTE, Bench, Failure, IDLE, MS, Outcome, SECOND, Subject, live,
    outcome::{check, check_eq, check_matches},
};

/// Loads with a renewal to `idle`, and answers the idle deadline.
async fn renew<S: Store>(at: &Bench<S>, now: Timestamp, subject: &Subject, idle: Timestamp) -> Result<Timestamp, Failure> {
    let renewal = Renewal { idle_deadline: idle, issued: now };
    Ok(live(at.store().load(at.op(now), subject.key, subject.presented, Some(renewal)).await?)?.idle_deadline)
}

/// Lives a millisecond before `deadline`, and at `deadline` everything is refused as expired.
async fn dies_at<S: Store>(at: &Bench<S>, subject: &Subject, deadline: Timestamp) -> Outcome {
    live(at.load(deadline - MS, subject).await?)?;
    check!(at.apply(deadline - MS, subject, &Change::new().set("n", "1")).await?.is_done(), "apply a millisecond before the deadline");
    check_eq!(at.load(deadline, subject).await?, Loaded::Expired, "load at the deadline");
    check_eq!(at.apply(deadline, subject, &Change::new().set("n", "2")).await?, Applied::Expired, "apply at the deadline");
    let new = subject.rotated(deadline)?;
    let rotated = at.rotate(deadline, subject, &Subject::rotation(&new, None, Some("ann"))).await?;
    check_eq!(rotated, Rotated::Refused(Applied::Expired), "rotate at the deadline");
    let renewal = Renewal { idle_deadline: deadline + IDLE, issued: deadline };
    let loaded = at.store().load(at.op(deadline), subject.key, subject.presented, Some(renewal)).await?;
    check_eq!(loaded, Loaded::Expired, "load with a renewal at the deadline");
    let renewing = Change { renewal: Some(renewal), ..Change::new().set("n", "3") };
    check_eq!(at.apply(deadline, subject, &renewing).await?, Applied::Expired, "apply with a renewal at the deadline");
    check_eq!(at.load(deadline, subject).await?, Loaded::Expired, "load after all attempts");
    // What a caller with an earlier clock sees shows that nothing was written.
    let session = live(at.load(deadline - MS, subject).await?)?;
    check_eq!(super::outcome::value(&session.fields, "n"), Some(&b"1"[..]), "the field afterwards");
    check_eq!(session.principal, None, "the principal afterwards");
    Ok(())
}

/// A session without activity dies at its idle deadline.
pub async fn idle_deadline_is_exact<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    dies_at(at, &subject, at.start() + IDLE).await
}

/// An active session dies at its absolute deadline.
pub async fn absolute_deadline_is_exact<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let mut now = at.start();
    while now + IDLE < at.start() + ABSOLUTE {
        now = now + IDLE / 2;
        renew(at, now, &subject, now + IDLE).await?;
    }
    dies_at(at, &subject, at.start() + ABSOLUTE).await
}

/// A load renews in the same trip and answers the new deadline; a write does, too.
pub async fn renewal_extends<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let now = at.start() + IDLE / 2;
    check_eq!(renew(at, now, &subject, now + IDLE).await?, now + IDLE, "deadline answered by the load");
    check_eq!(live(at.load(now, &subject).await?)?.idle_deadline, now + IDLE, "deadline loaded after it");
    let later = now + IDLE / 2;
    let renewal = Renewal { idle_deadline: later + IDLE, issued: later };
    let applied = at.apply(later, &subject, &Change { renewal: Some(renewal), ..Change::new().set("n", "1") }).await?;
    check_eq!(applied, Applied::Done { proof: Proof::Current, idle_deadline: later + IDLE }, "answer of the write");
    dies_at(at, &subject, later + IDLE).await
}

/// A renewal that was overtaken by another does not take it back.
pub async fn renewal_never_moves_back<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let (later, earlier) = (at.start() + SECOND * 20, at.start() + SECOND * 10);
    check_eq!(renew(at, later, &subject, later + IDLE).await?, later + IDLE, "the later renewal");
    check_eq!(renew(at, earlier, &subject, earlier + IDLE).await?, later + IDLE, "the earlier renewal, arriving behind it");
    let renewal = Renewal { idle_deadline: earlier + IDLE, issued: earlier };
    let applied = at.apply(earlier, &subject, &Change { renewal: Some(renewal), ..Change::new() }).await?;
    check_eq!(applied, Applied::Done { proof: Proof::Current, idle_deadline: later + IDLE }, "the earlier renewal in a write");
    Ok(())
}

/// No renewal gets past the absolute deadline.
pub async fn renewal_never_passes_absolute<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let absolute = at.start() + ABSOLUTE;
    check_eq!(renew(at, at.start(), &subject, absolute + IDLE).await?, absolute, "a renewal beyond the absolute deadline");
    dies_at(at, &subject, absolute).await
}

/// A new session's idle deadline does not pass the absolute one either.
pub async fn creation_never_passes_absolute<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.stranger()?;
    let mut new = subject.new_record(None, Default::default());
    new.absolute_deadline = at.start() + SECOND * 10;
    at.store().create(at.op(at.start()), subject.key, &new).await?;
    check_eq!(live(at.load(at.start(), &subject).await?)?.idle_deadline, at.start() + SECOND * 10, "idle deadline");
    dies_at(at, &subject, at.start() + SECOND * 10).await
}

/// A rotation renews, but leaves the absolute deadline alone.
pub async fn rotation_leaves_absolute_alone<S: Store>(at: &Bench<S>) -> Outcome {
    let mut subject = at.session().await?;
    let mut now = at.start();
    while now + IDLE < at.start() + ABSOLUTE {
        now = now + IDLE / 2;
        let new = subject.rotated(now)?;
        let rotated = at.rotate(now, &subject, &Subject::rotation(&new, None, None)).await?;
        let idle_deadline = (now + IDLE).min(at.start() + ABSOLUTE);
        check_eq!(rotated, Rotated::Done { rotated: true, idle_deadline }, "rotation at {now:?}");
        subject = new;
    }
    dies_at(at, &subject, at.start() + ABSOLUTE).await
}

/// A renewal in a change that is refused is refused with it.
pub async fn refused_change_does_not_renew<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let renewal = Some(Renewal { idle_deadline: at.start() + IDLE * 2, issued: at.start() });
    let conflict = Change { renewal, ..Change::new().expect("n", FieldVersion::from_u64(7)) };
    check_matches!(at.apply(at.start(), &subject, &conflict).await?, Applied::Conflict(_), "the conflict");
    let large = Change { renewal, max_size: 1_000, ..Change::new().set("n", vec![b'x'; 5_000]) };
    check_eq!(at.apply(at.start(), &subject, &large).await?, Applied::TooLarge, "the large change");
    check_eq!(live(at.load(at.start(), &subject).await?)?.idle_deadline, at.start() + IDLE, "idle deadline");
    Ok(())
}
