//! Idempotency: an operation that is delivered again has no further effect.

use std::sync::Arc;

use unstick_core::{Applied, Change, Created, Ended, Field, FieldVersion, Fields, Loaded, Proof, Rotated, Store};

use super::{
    Bench, GRACE, IDLE, Outcome, SECOND, Subject, live,
    outcome::{check, check_eq, check_matches, value},
};

/// A repeated change does not undo what others wrote meanwhile, in either form.
pub async fn repeated_apply<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let op = at.op(at.start());
    let change = Change::new().set("n", "mine").remove("gone");
    let deliver = || at.store().apply(op, subject.key, subject.presented, &change);
    let first = deliver().await?;
    check!(first.is_done(), "the first delivery answered {first:?}");
    check_eq!(deliver().await?, first, "answer to the second delivery");
    check!(at.apply(at.start(), &subject, &Change::new().set("n", "theirs").set("gone", "back")).await?.is_done(), "a foreign write");
    check_eq!(deliver().await?, first, "answer to the third delivery");
    let fields = at.fields(at.start(), &subject).await?;
    check_eq!(value(&fields, "n"), Some(&b"theirs"[..]), "a foreign write between deliveries");
    check_eq!(value(&fields, "gone"), Some(&b"back"[..]), "a field that was set between deliveries of its removal");
    Ok(())
}

/// A repeated conditional change is done, not in conflict with itself.
pub async fn repeated_conditional_apply<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let op = at.op(at.start());
    let change = Change::new().set("n", "1").expect("n", FieldVersion::ABSENT);
    for delivery in 1..=3 {
        let applied = at.store().apply(op, subject.key, subject.presented, &change).await?;
        check!(applied.is_done(), "delivery {delivery} answered {applied:?}");
    }
    Ok(())
}

/// A refused change leaves no trace: the same operation may be in later, once its precondition holds.
pub async fn conflict_is_not_remembered<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    check!(at.apply(at.start(), &subject, &Change::new().set("n", "1")).await?.is_done(), "a first write");
    let op = at.op(at.start());
    let change = Change::new().set("m", "2").expect("n", FieldVersion::ABSENT);
    let refused = at.store().apply(op, subject.key, subject.presented, &change).await?;
    check_matches!(refused, Applied::Conflict(_), "the precondition does not hold");
    check!(at.apply(at.start(), &subject, &Change::new().remove("n")).await?.is_done(), "a removal");
    let applied = at.store().apply(op, subject.key, subject.presented, &change).await?;
    check!(applied.is_done(), "now it holds, but the answer is {applied:?}");
    check_eq!(value(&at.fields(at.start(), &subject).await?, "m"), Some(&b"2"[..]), "the field");
    Ok(())
}

/// Operations are remembered until their deadline, however many others come between.
pub async fn repeated_after_many_others<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let op = at.op(at.start());
    let change = Change::new().set("n", "mine");
    check!(at.store().apply(op, subject.key, subject.presented, &change).await?.is_done(), "the first delivery");
    for n in 0..100 {
        check!(at.apply(at.start(), &subject, &Change::new().set("n", format!("theirs {n}"))).await?.is_done(), "foreign write {n}");
    }
    check!(at.store().apply(op, subject.key, subject.presented, &change).await?.is_done(), "the second delivery");
    check_eq!(value(&at.fields(at.start(), &subject).await?, "n"), Some(&b"theirs 99"[..]), "the last foreign write");
    Ok(())
}

/// Operations are told apart by id, not by content.
pub async fn equal_changes_of_two_operations_both_apply<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let change = Change::new().set("n", "1");
    check!(at.apply(at.start(), &subject, &change).await?.is_done(), "the first operation");
    let before = at.fields(at.start(), &subject).await?.version("n");
    check!(at.apply(at.start(), &subject, &change).await?.is_done(), "the second operation");
    check!(at.fields(at.start(), &subject).await?.version("n") != before, "the second operation was taken for the first");
    Ok(())
}

/// An operation id on one session says nothing about another.
pub async fn operations_are_remembered_per_session<S: Store>(at: &Bench<S>) -> Outcome {
    let (one, two) = (at.session().await?, at.session().await?);
    let op = at.op(at.start());
    for subject in [&one, &two] {
        let applied = at.store().apply(op, subject.key, subject.presented, &Change::new().set("n", "1")).await?;
        check!(applied.is_done(), "apply answered {applied:?}");
        check_eq!(value(&at.fields(at.start(), subject).await?, "n"), Some(&b"1"[..]), "the field");
    }
    Ok(())
}

/// A repeated creation is done, also after others have written, and changes nothing.
pub async fn repeated_create<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.stranger()?;
    let op = at.op(at.start());
    let field = Field { version: FieldVersion::from_u64(1), value: "1".into() };
    let new = subject.new_record(None, Fields::from_iter([(Arc::from("n"), field)]));
    for delivery in 1..=2 {
        check_eq!(at.store().create(op, subject.key, &new).await?, Created::Done, "answer to delivery {delivery}");
    }
    check!(at.apply(at.start(), &subject, &Change::new().set("n", "2")).await?.is_done(), "a write");
    check_eq!(at.store().create(op, subject.key, &new).await?, Created::Done, "answer to a delivery after a write");
    check_eq!(value(&at.fields(at.start(), &subject).await?, "n"), Some(&b"2"[..]), "the field");
    at.end(at.start(), &subject).await?;
    check_matches!(at.store().create(op, subject.key, &new).await?, Created::Ended { .. }, "answer to a delivery after the end");
    check_matches!(at.load(at.start(), &subject).await?, Loaded::Ended { .. }, "the session");
    Ok(())
}

/// A repeated rotation with grace is answered as the first one, and the old secret keeps its grace.
pub async fn repeated_rotate_with_grace<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let new = subject.rotated(at.start())?;
    let (op, rotation) = (at.op(at.start()), Subject::rotation(&new, Some(at.start() + GRACE), None));
    let change = Change::new().set("n", "mine");
    let first = at.store().rotate(op, subject.key, subject.presented, &rotation, &change).await?;
    check_matches!(first, Rotated::Done { rotated: true, .. }, "answer to the first delivery");
    check!(at.apply(at.start(), &new, &Change::new().set("n", "theirs")).await?.is_done(), "a write under the new id");
    let second = at.store().rotate(op, subject.key, subject.presented, &rotation, &change).await?;
    check_eq!(second, first, "answer to the second delivery");
    let session = live(at.load(at.start(), &new).await?)?;
    check_eq!(session.proof, Proof::Current, "standing of the new id");
    check_eq!(value(&session.fields, "n"), Some(&b"theirs"[..]), "a write between deliveries");
    check_eq!(live(at.load(at.start(), &subject).await?)?.proof, Proof::Grace, "standing of the old id");
    Ok(())
}

/// A repeated promotion is done although the credential it came with is dead.
pub async fn repeated_promote<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let new = subject.rotated(at.start())?;
    let (op, rotation) = (at.op(at.start()), Subject::rotation(&new, None, Some("ann")));
    for delivery in 1..=2 {
        let answer = at.store().rotate(op, subject.key, subject.presented, &rotation, &Change::new()).await?;
        check_matches!(answer, Rotated::Done { rotated: true, .. }, "answer to delivery {delivery}");
    }
    check_eq!(live(at.load(at.start(), &new).await?)?.proof, Proof::Current, "standing of the new id");
    check_matches!(at.load(at.start(), &subject).await?, Loaded::Superseded { .. }, "the old id");
    Ok(())
}

/// A change delivered again under the old id, within the grace of a rotation, is not applied again.
pub async fn repeated_apply_across_a_rotation<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let op = at.op(at.start());
    let change = Change::new().set("n", "mine");
    check!(at.store().apply(op, subject.key, subject.presented, &change).await?.is_done(), "the first delivery");
    let new = subject.rotated(at.start())?;
    at.rotate(at.start(), &subject, &Subject::rotation(&new, Some(at.start() + GRACE), None)).await?;
    check!(at.apply(at.start(), &new, &Change::new().set("n", "theirs")).await?.is_done(), "a write under the new id");
    check!(at.store().apply(op, subject.key, subject.presented, &change).await?.is_done(), "the second delivery");
    check_eq!(value(&at.fields(at.start(), &new).await?, "n"), Some(&b"theirs"[..]), "the field");
    Ok(())
}

/// An end may be delivered twice.
pub async fn repeated_end<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let op = at.op(at.start() + SECOND);
    for delivery in 1..=2 {
        let ended = at.store().end(op, subject.key, Some(subject.presented), at.start() + IDLE * 2).await?;
        check_matches!(ended, Ended::Done { .. }, "answer to delivery {delivery}");
        check_eq!(
            at.load(at.start() + SECOND, &subject).await?,
            Loaded::Ended { at: at.start() + SECOND },
            "load after delivery {delivery}"
        );
    }
    Ok(())
}
