//! A writer and whatever ends its id, really at the same time. Either order is right; a mixture is not.

use unstick_core::{Applied, Change, ErrorKind, Fields, Loaded, Rotated, Store};

use super::Summary;
use crate::contract::{
    Bench, Failure, GRACE, IDLE, Outcome, Subject, joined, live,
    outcome::{check, value},
    together,
};
use crate::rng::Rng;

/// What happens to the session while it is written to.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    End,
    AdministrativeEnd,
    EndOthers,
    RenewId,
    Promote,
}

const ALL: [Meanwhile; 5] = [Meanwhile::End, Meanwhile::AdministrativeEnd, Meanwhile::EndOthers, Meanwhile::RenewId, Meanwhile::Promote];

pub(super) async fn run<S: Store>(at: &Bench<S>, seed: u64, summary: &mut Summary) -> Outcome {
    let mut rng = Rng::new(seed ^ 0x7061_7261_6c6c_656c);
    let meanwhile = *rng.pick(&ALL);
    let now = at.clock().now();
    let subject = Subject::from(unstick_core::Credential::issue(now, now + IDLE, now + IDLE)?);
    let principal = format!("parallel {seed}");
    at.store().create(at.op(now), subject.key, &subject.new_record(Some(&principal), Fields::default())).await?;
    let new = subject.rotated(now)?;

    let count = 1 + rng.below(3);
    let start = together(count + 1);
    let writers: Vec<_> = (0..count)
        .map(|n| {
            let (node, load, write, pause, start) = (at.node(n), at.op(now), at.op(now), rng.below(4), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                let loaded = node.load(load, subject.key, subject.presented, None).await?;
                for _ in 0..pause {
                    tokio::task::yield_now().await;
                }
                let change = Change::new().set(&format!("w{n}"), "1");
                let applied = node.apply(write, subject.key, subject.presented, &change).await?;
                Ok::<_, Failure>((loaded, applied))
            })
        })
        .collect();
    let other = {
        let (node, op, pause, principal) = (at.node(rng.below(2)), at.op(now), rng.below(4), principal.clone());
        tokio::spawn(async move {
            start.wait().await;
            for _ in 0..pause {
                tokio::task::yield_now().await;
            }
            let until = now + IDLE * 10;
            match (meanwhile, node.principal_index()) {
                (Meanwhile::End, _) => drop(node.end(op, subject.key, Some(subject.presented), until).await?),
                (Meanwhile::EndOthers, Some(index)) => {
                    let ended = index.end_others(op, &principal, None, IDLE).await?;
                    check!(ended == 1, "{ended} sessions were ended instead of 1");
                }
                (Meanwhile::AdministrativeEnd | Meanwhile::EndOthers, _) => drop(node.end(op, subject.key, None, until).await?),
                (Meanwhile::RenewId | Meanwhile::Promote, _) => {
                    let grace = matches!(meanwhile, Meanwhile::RenewId).then_some(now + GRACE);
                    let rotation = Subject::rotation(&new, grace, None);
                    let rotated = node.rotate(op, subject.key, subject.presented, &rotation, &Change::new()).await?;
                    check!(matches!(rotated, Rotated::Done { rotated: true, .. }), "the rotation was answered {rotated:?}");
                }
            }
            Ok(())
        })
    };
    let mut acknowledged = Vec::new();
    for (n, writer) in writers.into_iter().enumerate() {
        let (loaded, applied) = joined(writer.await)??;
        let alive = matches!(loaded, Loaded::Live(_));
        let may_waver = !at.ends_in_one_step() && matches!(meanwhile, Meanwhile::AdministrativeEnd | Meanwhile::EndOthers);
        check!(
            alive || !applied.is_done() || may_waver,
            "{meanwhile:?}: writer {n} found the session {loaded:?} and was answered {applied:?} afterwards"
        );
        match (meanwhile, &applied) {
            (_, Applied::Done { .. }) => summary.applied += 1,
            (Meanwhile::End | Meanwhile::AdministrativeEnd | Meanwhile::EndOthers, Applied::Ended { .. })
            | (Meanwhile::Promote, Applied::Superseded { .. }) => summary.refused += 1,
            _ => check!(false, "{meanwhile:?}: writer {n} was answered {applied:?}"),
        }
        if applied.is_done() {
            acknowledged.push(format!("w{n}"));
        }
    }
    joined(other.await)??;
    settle(at, meanwhile, &subject, &new, &acknowledged).await
}

/// After all answers: dead is dead, and what was acknowledged is in, and nothing else.
async fn settle<S: Store>(at: &Bench<S>, meanwhile: Meanwhile, old: &Subject, new: &Subject, acknowledged: &[String]) -> Outcome {
    let now = old.credential.issued();
    let by_old = at.load(now, old).await?;
    match meanwhile {
        Meanwhile::End | Meanwhile::AdministrativeEnd | Meanwhile::EndOthers => {
            check!(matches!(by_old, Loaded::Ended { .. }), "{meanwhile:?}: the session is {by_old:?}");
            let again = at.store().create(at.op(now), old.key, &old.new_record(None, Fields::default())).await?;
            check!(matches!(again, unstick_core::Created::Ended { .. }), "{meanwhile:?}: a creation was answered {again:?}");
            return Ok(());
        }
        Meanwhile::Promote => check!(matches!(by_old, Loaded::Superseded { .. }), "the old id is {by_old:?} after a promotion"),
        Meanwhile::RenewId => drop(live(by_old)?),
    }
    let fields = live(at.load(now, new).await?)?.fields;
    for name in acknowledged {
        check!(value(&fields, name).is_some(), "{meanwhile:?}: {name} was acknowledged and is lost");
    }
    check!(fields.len() == acknowledged.len(), "{meanwhile:?}: {fields:?} instead of {acknowledged:?}");
    match at.store().apply(at.late_op(), new.key, new.presented, &Change::new().set("late", "1")).await {
        Err(error) if error.kind() == ErrorKind::Late => Ok(()),
        other => Err(Failure::new(format!("a late write was answered {other:?}"))),
    }
}
