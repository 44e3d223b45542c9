//! Writers at the same time, spread over the nodes that the factory opens.

use unstick_core::{Applied, Change, Error, ErrorKind, Fields, Loaded, Store};

use super::{
    Bench, Failure, IDLE, Outcome, SECOND, Subject,
    outcome::{check, check_eq, check_matches, value},
};

fn counter(fields: &Fields) -> u32 {
    value(fields, "n").and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The change that counts one up, provided that nobody else did meanwhile.
fn increment(fields: &Fields) -> Change {
    Change::new().set("n", (counter(fields) + 1).to_string()).expect("n", fields.version("n"))
}

/// 32 writers of 32 fields: 32 survive.
pub async fn writers_of_different_fields_all_survive<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let mut tasks = Vec::new();
    let start = super::together(32);
    for n in 0..32 {
        let (node, op, start) = (at.node(n), at.op(at.start()), start.clone());
        let change = Change::new().set(&format!("field {n}"), n.to_string());
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            node.apply(op, subject.key, subject.presented, &change).await
        }));
    }
    for task in tasks {
        let applied = super::joined(task.await)??;
        check!(applied.is_done(), "a writer was answered {applied:?}");
    }
    let fields = at.fields(at.start(), &subject).await?;
    for n in 0..32 {
        check_eq!(value(&fields, &format!("field {n}")), Some(n.to_string().as_bytes()), "field {n}");
    }
    Ok(())
}

/// 32 conditional increments, each tried again on conflict: 32.
pub async fn conditional_increments_all_count<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let mut tasks = Vec::new();
    let start = super::together(32);
    for n in 0..32 {
        // At most 31 others can get in between: 32 operations are enough for each.
        let ops: Vec<_> = (0..32).map(|_| at.op(at.start())).collect();
        let (node, start) = (at.node(n), start.clone());
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            let mut fields = Fields::default();
            for op in ops {
                match node.apply(op, subject.key, subject.presented, &increment(&fields)).await? {
                    Applied::Conflict(current) => fields = current,
                    applied => return Ok::<_, Error>(applied),
                }
            }
            Ok(Applied::Conflict(fields))
        }));
    }
    for task in tasks {
        let applied = super::joined(task.await)??;
        check!(applied.is_done(), "an increment was answered {applied:?}");
    }
    check_eq!(counter(&at.fields(at.start(), &subject).await?), 32, "the counter");
    Ok(())
}

/// One operation delivered 16 times at once is applied once.
pub async fn parallel_deliveries_apply_once<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let op = at.op(at.start());
    let mut tasks = Vec::new();
    let start = super::together(16);
    for n in 0..16 {
        let (node, start) = (at.node(n), start.clone());
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            node.apply(op, subject.key, subject.presented, &increment(&Fields::default())).await
        }));
    }
    for task in tasks {
        let applied = super::joined(task.await)??;
        check!(applied.is_done(), "a delivery was answered {applied:?}");
    }
    check_eq!(counter(&at.fields(at.start(), &subject).await?), 1, "the counter");
    Ok(())
}

/// Writers and an end at once: whatever the order, the session is ended afterwards and everybody gets an answer.
pub async fn end_wins_against_parallel_writers<S: Store>(at: &Bench<S>) -> Outcome {
    for round in 0..10 {
        let subject = at.session().await?;
        let mut tasks = Vec::new();
        let start = super::together(9);
        for n in 0..8 {
            let (node, op, start) = (at.node(n), at.op(at.start()), start.clone());
            let change = Change::new().set(&format!("field {n}"), "1");
            tasks.push(tokio::spawn(async move {
                start.wait().await;
                node.apply(op, subject.key, subject.presented, &change).await
            }));
        }
        let (node, op) = (at.node(round), at.op(at.start()));
        let until = at.start() + IDLE;
        let end = tokio::spawn(async move {
            start.wait().await;
            node.end(op, subject.key, Some(subject.presented), until).await
        });
        for task in tasks {
            let applied = super::joined(task.await)??;
            check!(matches!(applied, Applied::Done { .. } | Applied::Ended { .. }), "a writer was answered {applied:?}");
        }
        super::joined(end.await)??;
        check_matches!(at.load(at.start(), &subject).await?, Loaded::Ended { .. }, "the session");
    }
    Ok(())
}

/// Locked updates, where the store has them: 32 increments count 32 without a conflict.
pub async fn locked_increments_all_count<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let mut tasks = Vec::new();
    let start = super::together(32);
    for n in 0..32 {
        let (node, op, start) = (at.node(n), at.op(at.start()), start.clone());
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            let mut decide = |fields: &Fields| Ok(increment(fields));
            node.update_locked(op, subject.key, subject.presented, &mut decide).await
        }));
    }
    let mut locked = 0;
    for task in tasks {
        match super::joined(task.await)?? {
            None => {}
            Some(applied) if applied.is_done() => locked += 1,
            Some(other) => check!(false, "a locked update was answered {other:?}"),
        }
    }
    check!(locked == 0 || locked == 32, "{locked} of 32 updates found a lock");
    check_eq!(counter(&at.fields(at.start(), &subject).await?), locked, "the counter");
    Ok(())
}

/// What a locked update must refuse it refuses: dead sessions, late callers, the decision's own error.
pub async fn locked_update_keeps_the_rules<S: Store>(at: &Bench<S>) -> Outcome {
    async fn update<S: Store>(at: &Bench<S>, op: unstick_core::OpCtx, subject: &Subject) -> Result<Option<Applied>, Error> {
        let mut decide = |fields: &Fields| Ok(increment(fields));
        at.store().update_locked(op, subject.key, subject.presented, &mut decide).await
    }
    let subject = at.session().await?;
    let op = at.op(at.start());
    let Some(applied) = update(at, op, &subject).await? else { return Ok(()) };
    check!(applied.is_done(), "a locked update was answered {applied:?}");
    check_matches!(update(at, op, &subject).await?, Some(Applied::Done { .. }), "the same operation again");
    check_eq!(counter(&at.fields(at.start(), &subject).await?), 1, "the counter after a repetition");

    let mut refuse = |_: &Fields| Err(Error::new(ErrorKind::Codec, "not a number"));
    let answer = at.store().update_locked(at.op(at.start()), subject.key, subject.presented, &mut refuse).await;
    check_eq!(answer.map_err(|error| error.kind()), Err(ErrorKind::Codec), "the decision's error");
    let late = update(at, at.late_op(), &subject).await;
    check_eq!(late.map_err(|error| error.kind()), Err(ErrorKind::Late), "a late update");
    check_eq!(update(at, at.op(at.start()), &at.stranger()?).await?, Some(Applied::Missing), "an update of a missing session");
    check_eq!(update(at, at.op(at.start() + IDLE), &subject).await?, Some(Applied::Expired), "an update of an expired session");
    let new = subject.rotated(at.start())?;
    at.rotate(at.start(), &subject, &Subject::rotation(&new, None, None)).await?;
    check_matches!(update(at, at.op(at.start()), &subject).await?, Some(Applied::Superseded { .. }), "an update by a replaced id");
    check_eq!(counter(&at.fields(at.start(), &new).await?), 1, "the counter at last");
    at.end(at.start() + SECOND, &new).await?;
    let ended = Some(Applied::Ended { at: at.start() + SECOND });
    check_eq!(update(at, at.op(at.start() + SECOND), &new).await?, ended, "an update of an ended session");
    Ok(())
}

/// A reader sees a change whole or not at all.
pub async fn changes_are_seen_whole<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let writer = {
        let (node, ops) = (at.node(1), (0..50).map(|_| at.op(at.start())).collect::<Vec<_>>());
        tokio::spawn(async move {
            for (n, op) in ops.into_iter().enumerate() {
                let text = n.to_string();
                let change = Change::new().set("a", text.clone()).set("b", text.clone()).set("c", text);
                node.apply(op, subject.key, subject.presented, &change).await?;
            }
            Ok::<_, Error>(())
        })
    };
    loop {
        let finished = writer.is_finished();
        let fields = at.fields(at.start(), &subject).await?;
        let seen = ["a", "b", "c"].map(|name| value(&fields, name).map(<[u8]>::to_vec));
        check!(seen[0] == seen[1] && seen[1] == seen[2], "part of a change was seen: {seen:?}");
        if finished {
            break;
        }
        tokio::task::yield_now().await;
    }
    super::joined(writer.await)?.map_err(Failure::from)
}
