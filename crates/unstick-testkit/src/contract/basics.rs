//! Creating and loading.

use std::time::Duration;

use unstick_core::{Applied, Change, Created, Field, FieldVersion, Fields, Loaded, Proof, Rotated, Store};

use super::{
    ABSOLUTE, Bench, IDLE, Outcome, Subject, live,
    outcome::{check, check_eq, check_matches, value},
};

/// Two fields with versions of their own.
fn some_fields() -> Fields {
    let field = |version, value: &'static str| Field { version: FieldVersion::from_u64(version), value: value.into() };
    Fields::from_iter([("cart".into(), field(11, "[1]")), ("lang".into(), field(12, "\"de\""))])
}

/// What was created is what loads.
pub async fn created_session_loads<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session_of(Some("ann"), some_fields()).await?;
    let session = live(at.load(at.start(), &subject).await?)?;
    check_eq!(session.proof, Proof::Current, "proof of a new session");
    check_eq!(session.fields, some_fields(), "fields");
    check_eq!(value(&session.fields, "cart"), Some(&b"[1]"[..]), "value");
    check_eq!(session.fields.version("lang"), FieldVersion::from_u64(12), "version given at creation");
    check_eq!(session.principal.as_deref(), Some("ann"), "principal");
    check_eq!(session.created, at.start(), "creation time");
    check_eq!(session.idle_deadline, at.start() + IDLE, "idle deadline");
    check_eq!(session.absolute_deadline, at.start() + ABSOLUTE, "absolute deadline");
    let anonymous = at.session().await?;
    check_eq!(live(at.load(at.start(), &anonymous).await?)?.principal, None, "principal of an anonymous session");
    Ok(())
}

/// No record is an answer of its own.
pub async fn unknown_session_is_missing<S: Store>(at: &Bench<S>) -> Outcome {
    let stranger = at.stranger()?;
    check_eq!(at.load(at.start(), &stranger).await?, Loaded::Missing, "load of an unknown session");
    check_eq!(at.load(at.start(), &stranger).await?, Loaded::Missing, "load leaves nothing behind");
    Ok(())
}

/// A second creation does not overwrite.
pub async fn create_never_overwrites<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session_of(None, some_fields()).await?;
    let other = subject.rotated(at.start())?;
    let again = at.store().create(at.op(at.start()), subject.key, &other.new_record(Some("eve"), Fields::default())).await?;
    check_eq!(again, Created::Exists, "create onto a live session");
    let session = live(at.load(at.start(), &subject).await?)?;
    check_eq!(session.fields, some_fields(), "fields after a refused create");
    check_eq!(session.principal, None, "principal after a refused create");
    check_matches!(at.load(at.start(), &other).await?, Loaded::Superseded { .. }, "the refused create's secret");
    Ok(())
}

/// An expired record is still there: creating onto it must not make a session of it.
pub async fn create_never_overwrites_expired<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let now = at.start() + IDLE;
    let mut new = subject.new_record(None, Fields::default());
    new.idle_deadline = now + IDLE;
    let again = at.store().create(at.op(now), subject.key, &new).await?;
    check_eq!(again, Created::Exists, "create onto an expired session");
    check_eq!(at.load(now, &subject).await?, Loaded::Expired, "the expired session afterwards");
    Ok(())
}

/// Of parallel creations of one key, one wins.
pub async fn parallel_creates_have_one_winner<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.stranger()?;
    let mut tasks = Vec::new();
    let start = super::together(8);
    for n in 0..8 {
        let (node, op, start) = (at.node(n), at.op(at.start()), start.clone());
        let new = subject.new_record(Some(&format!("principal-{n}")), Fields::default());
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            node.create(op, subject.key, &new).await
        }));
    }
    let mut winners = Vec::new();
    for (n, task) in tasks.into_iter().enumerate() {
        match super::joined(task.await)?? {
            Created::Done => winners.push(format!("principal-{n}")),
            other => check_eq!(other, Created::Exists, "the answer of a loser"),
        }
    }
    check_eq!(winners.len(), 1, "how many parallel creates won");
    let session = live(at.load(at.start(), &subject).await?)?;
    check_eq!(session.principal.as_deref(), Some(winners[0].as_str()), "whose record is kept");
    Ok(())
}

/// A write to a missing session is refused and leaves nothing.
pub async fn apply_never_creates<S: Store>(at: &Bench<S>) -> Outcome {
    let stranger = at.stranger()?;
    for change in [Change::new().set("cart", "[]"), Change::new().remove("cart"), Change { clear: true, ..Change::new() }, Change::new()] {
        check_eq!(at.apply(at.start(), &stranger, &change).await?, Applied::Missing, "apply to a missing session");
        check_eq!(at.load(at.start(), &stranger).await?, Loaded::Missing, "load after it");
    }
    Ok(())
}

/// So is a rotation.
pub async fn rotate_never_creates<S: Store>(at: &Bench<S>) -> Outcome {
    let stranger = at.stranger()?;
    let new = stranger.rotated(at.start())?;
    let answer = at.rotate(at.start(), &stranger, &Subject::rotation(&new, None, Some("ann"))).await?;
    check_eq!(answer, Rotated::Refused(Applied::Missing), "rotation of a missing session");
    check_eq!(at.load(at.start(), &new).await?, Loaded::Missing, "load after it");
    Ok(())
}

/// A session's key opens that session only.
pub async fn sessions_do_not_mix<S: Store>(at: &Bench<S>) -> Outcome {
    let (one, two) = (at.session().await?, at.session().await?);
    check!(at.apply(at.start(), &one, &Change::new().set("who", "1")).await?.is_done(), "apply to the first session");
    check!(at.apply(at.start(), &two, &Change::new().set("who", "2")).await?.is_done(), "apply to the second session");
    check_eq!(value(&at.fields(at.start(), &one).await?, "who"), Some(&b"1"[..]), "the first session");
    check_eq!(value(&at.fields(at.start(), &two).await?, "who"), Some(&b"2"[..]), "the second session");
    at.end(at.start(), &one).await?;
    check_eq!(value(&at.fields(at.start(), &two).await?, "who"), Some(&b"2"[..]), "the second session after the first one's end");
    Ok(())
}

/// Knowing where the record is does not open it.
pub async fn wrong_secret_opens_nothing<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session_of(None, some_fields()).await?;
    let guess = subject.rotated(at.start())?;
    check_matches!(at.load(at.start(), &guess).await?, Loaded::Superseded { .. }, "load by a wrong secret");
    let change = Change::new().set("cart", "stolen");
    check_matches!(at.apply(at.start(), &guess, &change).await?, Applied::Superseded { .. }, "apply by a wrong secret");
    let to = subject.rotated(at.start())?;
    let rotated = at.rotate(at.start(), &guess, &Subject::rotation(&to, None, Some("eve"))).await?;
    check_matches!(rotated, Rotated::Refused(Applied::Superseded { .. }), "rotate by a wrong secret");
    check_eq!(at.fields(at.start(), &subject).await?, some_fields(), "fields afterwards");
    Ok(())
}

/// The longest lifetime that cookies have fits.
pub async fn far_deadlines_are_kept<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.stranger()?;
    let far = at.start() + Duration::from_secs(400 * 24 * 3600);
    let mut new = subject.new_record(None, Fields::default());
    (new.idle_deadline, new.absolute_deadline) = (far, far);
    check_eq!(at.store().create(at.op(at.start()), subject.key, &new).await?, Created::Done, "create");
    let session = live(at.load(at.start() + ABSOLUTE * 300, &subject).await?)?;
    check_eq!((session.idle_deadline, session.absolute_deadline), (far, far), "deadlines in 400 days");
    Ok(())
}
