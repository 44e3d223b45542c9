//! An invalidation that is repeated within a minute does nothing to what came in between.

use unstick_core::{Filled, Level, OpCtx, Target};

use super::{LevelBench, key, tagged, value};
use crate::contract::{Outcome, outcome::check_eq};

const DONE: Filled = Filled::Done { awaited: false };

/// By the same operation, at another time.
fn again<L: Level>(at: &LevelBench<L>, op: OpCtx) -> OpCtx {
    OpCtx { op_id: op.op_id, ..at.op() }
}

/// A value of the key.
pub async fn repeated_key_spares_what_came_after<L: Level>(at: &LevelBench<L>) -> Outcome {
    let (op, target) = (at.op(), Target::Key(key("k")));
    at.put(&key("k"), &value("old")).await?;
    at.level().invalidate(op, &target).await?;
    at.is_gone(&key("k")).await?;
    at.put(&key("k"), &value("new")).await?;
    at.level().invalidate(again(at, op), &target).await?;
    at.has(&key("k"), &value("new")).await
}

/// A load of the key.
pub async fn repeated_key_spares_a_lease<L: Level>(at: &LevelBench<L>) -> Outcome {
    let (op, target) = (at.op(), Target::Key(key("k")));
    at.level().invalidate(op, &target).await?;
    let lease = at.lease(&key("k")).await?;
    at.level().invalidate(again(at, op), &target).await?;
    check_eq!(at.fill(&key("k"), lease, &value("new")).await?, DONE, "the fill");
    at.has(&key("k"), &value("new")).await
}

/// A value with the tag, whether the tag was known before or not.
pub async fn repeated_tag_spares_what_came_after<L: Level>(at: &LevelBench<L>) -> Outcome {
    for known in [false, true] {
        let text = if known { "known" } else { "unknown" };
        let (op, target) = (at.op(), Target::Tag(text.into()));
        if known {
            at.put(&key(text), &tagged("old", &[text])).await?;
        }
        at.level().invalidate(op, &target).await?;
        at.is_gone(&key(text)).await?;
        at.put(&key(text), &tagged("new", &[text])).await?;
        at.level().invalidate(again(at, op), &target).await?;
        at.has(&key(text), &tagged("new", &[text])).await?;
    }
    Ok(())
}

/// A load whose value has the tag.
pub async fn repeated_tag_spares_a_load<L: Level>(at: &LevelBench<L>) -> Outcome {
    let (op, target) = (at.op(), Target::Tag("t".into()));
    at.put(&key("known"), &tagged("v", &["t"])).await?;
    at.level().invalidate(op, &target).await?;
    let lease = at.lease(&key("k")).await?;
    at.level().invalidate(again(at, op), &target).await?;
    check_eq!(at.fill(&key("k"), lease, &tagged("new", &["t"])).await?, DONE, "the fill");
    at.has(&key("k"), &tagged("new", &["t"])).await
}

/// Values and loads.
pub async fn repeated_everything_spares_what_came_after<L: Level>(at: &LevelBench<L>) -> Outcome {
    let op = at.op();
    at.level().invalidate(op, &Target::All).await?;
    at.put(&key("k"), &value("new")).await?;
    let lease = at.lease(&key("loading")).await?;
    at.level().invalidate(again(at, op), &Target::All).await?;
    at.has(&key("k"), &value("new")).await?;
    check_eq!(at.fill(&key("loading"), lease, &value("new")).await?, DONE, "the fill");
    Ok(())
}

/// Another operation is another invalidation, however soon it comes.
pub async fn another_invalidation_is_no_repetition<L: Level>(at: &LevelBench<L>) -> Outcome {
    for target in [Target::Key(key("k")), Target::Tag("t".into()), Target::All] {
        for n in 0..20 {
            at.put(&key("k"), &tagged(&n.to_string(), &["t"])).await?;
            at.invalidate(target.clone()).await?;
            at.is_gone(&key("k")).await?;
        }
    }
    Ok(())
}

/// Many nodes make sure of one invalidation.
pub async fn repetition_by_another_node<L: Level>(at: &LevelBench<L>) -> Outcome {
    for target in [Target::Key(key("k")), Target::Tag("t".into()), Target::All] {
        let op = at.op();
        at.put(&key("k"), &tagged("old", &["t"])).await?;
        at.level().invalidate(op, &target).await?;
        at.put(&key("k"), &tagged("new", &["t"])).await?;
        at.other().invalidate(again(at, op), &target).await?;
        at.has(&key("k"), &tagged("new", &["t"])).await?;
        at.invalidate(Target::All).await?;
    }
    Ok(())
}

/// What was done to one target is yet to be done to the other.
pub async fn one_operation_on_many_targets<L: Level>(at: &LevelBench<L>) -> Outcome {
    let op = at.op();
    for text in ["a", "b"] {
        at.put(&key(text), &value("old")).await?;
        at.put(&key(&format!("tagged {text}")), &tagged("old", &[text])).await?;
    }
    at.put(&key("last"), &value("old")).await?;
    for text in ["a", "b"] {
        at.level().invalidate(again(at, op), &Target::Key(key(text))).await?;
        at.is_gone(&key(text)).await?;
        at.level().invalidate(again(at, op), &Target::Tag(text.into())).await?;
        at.is_gone(&key(&format!("tagged {text}"))).await?;
    }
    at.has(&key("last"), &value("old")).await?;
    at.level().invalidate(again(at, op), &Target::All).await?;
    at.is_gone(&key("last")).await
}
