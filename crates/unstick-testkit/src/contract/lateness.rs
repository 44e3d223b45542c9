//! Writes that arrive after their deadline are refused by the store itself.

use std::fmt;

use unstick_core::{Change, Error, ErrorKind, Fields, Loaded, OpCtx, Renewal, Store, Timestamp};

use super::{
    Bench, GRACE, IDLE, Outcome, SECOND, Subject, live,
    outcome::{check, check_eq},
};

/// Contexts that are late: by a millisecond, to the millisecond, and by what the caller's own clock says.
fn late<S: Store>(at: &Bench<S>) -> [OpCtx; 3] {
    let wall = at.clock().now();
    let to_the_millisecond = OpCtx { now: wall - SECOND, deadline: wall, ..at.op(wall) };
    let by_the_caller = OpCtx { now: wall + SECOND * 60, deadline: wall + SECOND * 60, ..at.op(wall) };
    [at.late_op(), to_the_millisecond, by_the_caller]
}

#[track_caller]
fn refused<T: fmt::Debug>(answer: Result<T, Error>) -> Outcome {
    match answer {
        Err(error) => check_eq!(error.kind(), ErrorKind::Late, "the error of a late write"),
        Ok(answer) => check!(false, "a late write was answered {answer:?}"),
    }
    Ok(())
}

/// A late creation creates nothing.
pub async fn late_create<S: Store>(at: &Bench<S>) -> Outcome {
    for op in late(at) {
        let subject = at.stranger()?;
        refused(at.store().create(op, subject.key, &subject.new_record(None, Fields::default())).await)?;
        check_eq!(at.load(at.start(), &subject).await?, Loaded::Missing, "the session");
    }
    Ok(())
}

/// A late change changes nothing.
pub async fn late_apply<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    for op in late(at) {
        refused(at.store().apply(op, subject.key, subject.presented, &Change::new().set("n", "late")).await)?;
        check!(at.fields(at.start(), &subject).await?.is_empty(), "a late change is in");
    }
    Ok(())
}

/// A late rotation rotates nothing and changes nothing.
pub async fn late_rotate<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    for op in late(at) {
        for grace in [None, Some(at.start() + GRACE)] {
            let new = subject.rotated(at.start())?;
            let rotation = Subject::rotation(&new, grace, Some("ann"));
            refused(at.store().rotate(op, subject.key, subject.presented, &rotation, &Change::new().set("n", "late")).await)?;
        }
        let session = live(at.load(at.start(), &subject).await?)?;
        check_eq!(session.principal, None, "principal after a late promotion");
        check!(session.fields.is_empty(), "a late change is in");
    }
    Ok(())
}

/// A late end ends nothing. Its caller was told that it may or may not have worked, and may have gone on.
pub async fn late_end<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    for op in late(at) {
        refused(at.store().end(op, subject.key, Some(subject.presented), at.start() + IDLE).await)?;
        refused(at.store().end(op, subject.key, None, at.start() + IDLE).await)?;
        live(at.load(at.start(), &subject).await?)?;
    }
    Ok(())
}

/// A late load may be answered, but it does not renew.
pub async fn late_renewal<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let renewal = Renewal { idle_deadline: at.start() + IDLE * 2, issued: at.start() };
    for op in late(at) {
        match at.store().load(op, subject.key, subject.presented, Some(renewal)).await {
            Err(error) => check_eq!(error.kind(), ErrorKind::Late, "the error of a late load"),
            Ok(loaded) => check_eq!(live(loaded)?.idle_deadline, at.start() + IDLE, "idle deadline answered to a late load"),
        }
        check_eq!(live(at.load(at.start(), &subject).await?)?.idle_deadline, at.start() + IDLE, "idle deadline after a late load");
    }
    Ok(())
}

/// A write sent in time is late when the clock has moved on before it arrives (for stores whose clock can be moved).
pub async fn lateness_is_judged_on_arrival<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let now: Timestamp = at.clock().now();
    let op = OpCtx { now, deadline: now + SECOND * 2, ..at.op(now) };
    check!(at.store().apply(op, subject.key, subject.presented, &Change::new().set("n", "1")).await?.is_done(), "in time");
    if at.clock().advance(SECOND * 2) {
        refused(at.store().apply(op, subject.key, subject.presented, &Change::new().set("n", "1")).await)?;
        let later = OpCtx { op_id: at.op(now).op_id, ..op };
        refused(at.store().apply(later, subject.key, subject.presented, &Change::new().set("n", "2")).await)?;
        check_eq!(super::outcome::value(&at.fields(now, &subject).await?, "n"), Some(&b"1"[..]), "the field");
    }
    Ok(())
}
