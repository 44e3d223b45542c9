//! Merging field deltas, preconditions and the size limit.

use unstick_core::{Applied, Change, FieldVersion, Fields, Proof, Store};

use super::{
    Bench, Failure, IDLE, Outcome, SECOND, Subject,
    outcome::{check, check_eq, check_matches, value},
};

/// Applies and expects success.
async fn done<S: Store>(at: &Bench<S>, subject: &Subject, change: Change) -> Result<FieldVersion, Failure> {
    let op = at.op(at.start());
    let applied = at.store().apply(op, subject.key, subject.presented, &change).await?;
    check!(applied.is_done(), "a change without conflict answered {applied:?}");
    Ok(op.op_id.field_version())
}

/// Names of fields, in order.
fn names(fields: &Fields) -> Vec<&str> {
    fields.iter().map(|(name, _)| &**name).collect()
}

/// Two writers of different fields both survive; the later writer of one field wins.
pub async fn deltas_merge<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    done(at, &subject, Change::new().set("a", "1").set("b", "1")).await?;
    done(at, &subject, Change::new().set("b", "2").set("c", "2")).await?;
    let fields = at.fields(at.start(), &subject).await?;
    check_eq!(names(&fields), ["a", "b", "c"], "fields after two changes");
    check_eq!(value(&fields, "a"), Some(&b"1"[..]), "the field that only the first wrote");
    check_eq!(value(&fields, "b"), Some(&b"2"[..]), "the field that both wrote");
    Ok(())
}

/// A removal takes out that field and no other; removing nothing is fine.
pub async fn removals_merge<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    done(at, &subject, Change::new().set("a", "1").set("b", "1").set("c", "1")).await?;
    done(at, &subject, Change::new().remove("a").remove("nothing").set("d", "2")).await?;
    check_eq!(names(&at.fields(at.start(), &subject).await?), ["b", "c", "d"], "fields after a removal");
    done(at, &subject, Change::new().set("a", "3")).await?;
    check_eq!(value(&at.fields(at.start(), &subject).await?, "a"), Some(&b"3"[..]), "a removed field that was set again");
    Ok(())
}

/// A clear drops everything before its own deltas.
pub async fn clear_comes_first<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    done(at, &subject, Change::new().set("a", "1").set("b", "1")).await?;
    done(at, &subject, Change { clear: true, ..Change::new().set("b", "2").set("c", "2") }).await?;
    let fields = at.fields(at.start(), &subject).await?;
    check_eq!(names(&fields), ["b", "c"], "fields after a clear with deltas");
    check_eq!(value(&fields, "b"), Some(&b"2"[..]), "a field that was cleared and set");
    done(at, &subject, Change { clear: true, ..Change::new() }).await?;
    check!(at.fields(at.start(), &subject).await?.is_empty(), "fields are left after a clear");
    Ok(())
}

/// Fields that are set get the operation's version; others keep theirs.
pub async fn versions_follow_writes<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let first = done(at, &subject, Change::new().set("a", "1").set("b", "1")).await?;
    let second = done(at, &subject, Change::new().set("b", "1")).await?;
    let fields = at.fields(at.start(), &subject).await?;
    check_eq!(fields.version("a"), first, "version of a field that the second change did not name");
    check_eq!(fields.version("b"), second, "version of a field that was set to the same bytes again");
    check_eq!(fields.version("c"), FieldVersion::ABSENT, "version of no field");
    Ok(())
}

/// An empty change is done and answers the deadline.
pub async fn empty_change_is_done<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let answer = at.apply(at.start() + SECOND, &subject, &Change::new()).await?;
    check_eq!(answer, Applied::Done { proof: Proof::Current, idle_deadline: at.start() + IDLE }, "answer to an empty change");
    Ok(())
}

/// "Must not exist" holds once.
pub async fn precondition_absent<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let change = |text: &'static str| Change::new().set("lock", text).expect("lock", FieldVersion::ABSENT);
    let version = done(at, &subject, change("mine")).await?;
    let Applied::Conflict(current) = at.apply(at.start(), &subject, &change("theirs")).await? else {
        return Err(Failure::new("a second writer was let in although the field had to be absent"));
    };
    check_eq!(value(&current, "lock"), Some(&b"mine"[..]), "the current fields in the conflict");
    check_eq!(current.version("lock"), version, "the current version in the conflict");
    check_eq!(at.fields(at.start(), &subject).await?, current, "fields after the conflict");
    Ok(())
}

/// A version holds until the field is written or removed.
pub async fn precondition_version<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let first = done(at, &subject, Change::new().set("n", "1")).await?;
    let second = done(at, &subject, Change::new().set("n", "2").expect("n", first)).await?;
    check_matches!(
        at.apply(at.start(), &subject, &Change::new().set("n", "3").expect("n", first)).await?,
        Applied::Conflict(_),
        "a stale version"
    );
    done(at, &subject, Change::new().remove("n").expect("n", second)).await?;
    check_matches!(
        at.apply(at.start(), &subject, &Change::new().set("n", "3").expect("n", second)).await?,
        Applied::Conflict(_),
        "the version of a removed field"
    );
    done(at, &subject, Change::new().set("n", "4").expect("n", FieldVersion::ABSENT)).await?;
    Ok(())
}

/// All preconditions must hold, also those of fields that the change does not write; else nothing is applied.
pub async fn preconditions_are_all_or_nothing<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let version = done(at, &subject, Change::new().set("a", "1").set("b", "1")).await?;
    let before = at.fields(at.start(), &subject).await?;
    let changes = [
        Change::new().set("a", "2").set("c", "2").expect("a", version).expect("b", FieldVersion::ABSENT),
        Change::new().set("a", "2").expect("missing", version),
        Change { clear: true, ..Change::new().set("c", "2").expect("b", FieldVersion::from_u64(version.as_u64() ^ 1)) },
        Change::new().remove("a").expect("b", FieldVersion::ABSENT),
    ];
    for change in changes {
        check_eq!(at.apply(at.start(), &subject, &change).await?, Applied::Conflict(before.clone()), "answer to {change:?}");
        check_eq!(at.fields(at.start(), &subject).await?, before, "fields after {change:?}");
    }
    done(at, &subject, Change::new().set("c", "3").expect("a", version).expect("b", version).expect("c", FieldVersion::ABSENT)).await?;
    Ok(())
}

/// Preconditions are judged against the fields before a clear.
pub async fn precondition_sees_fields_before_clear<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let version = done(at, &subject, Change::new().set("a", "1")).await?;
    let clear = Change { clear: true, ..Change::new().set("a", "2").expect("a", version) };
    done(at, &subject, clear).await?;
    let fields = at.fields(at.start(), &subject).await?;
    check_eq!(value(&fields, "a"), Some(&b"2"[..]), "the field after clear and set");
    Ok(())
}

/// What is too large is refused whole, what shrinks is let through.
pub async fn size_is_limited<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let limit = 4_096;
    let limited = |change: Change| Change { max_size: limit, ..change };
    done(at, &subject, limited(Change::new().set("small", vec![b'x'; 1_000]))).await?;
    let big = Change::new().set("big", vec![b'x'; 8_000]).set("other", "1");
    check_eq!(at.apply(at.start(), &subject, &limited(big.clone())).await?, Applied::TooLarge, "a change over the limit");
    check_eq!(names(&at.fields(at.start(), &subject).await?), ["small"], "fields after it");
    done(at, &subject, big).await?; // no limit
    done(at, &subject, limited(Change::new().set("big", vec![b'x'; 6_000]))).await?; // still over, but less than before
    check_eq!(
        at.apply(at.start(), &subject, &limited(Change::new().set("more", vec![b'x'; 500]))).await?,
        Applied::TooLarge,
        "growing over"
    );
    done(at, &subject, limited(Change::new().remove("big"))).await?;
    done(at, &subject, limited(Change::new().set("more", vec![b'x'; 500]))).await?;
    check_eq!(names(&at.fields(at.start(), &subject).await?), ["more", "other", "small"], "fields at last");
    Ok(())
}
