//! The invalidation of a tag reaches every value with it, also the ones that are being loaded.

use std::time::Duration;

use unstick_core::{Filled, Level, LevelValue, Looked, Target, Want};

use super::{LevelBench, MINUTE, key, tag, tagged, value};
use crate::contract::{
    Outcome,
    outcome::{check_eq, check_matches},
};

fn target(text: &str) -> Target {
    Target::Tag(tag(text))
}

/// For readers and loaders.
pub async fn invalidated_tag_takes_its_values<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &tagged("old", &["t"])).await?;
    at.has(&key("k"), &tagged("old", &["t"])).await?;
    at.invalidate(target("t")).await?;
    at.is_gone(&key("k")).await
}

/// Values without the tag are left alone.
pub async fn other_tags_stay<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("tagged"), &tagged("v", &["tt"])).await?;
    at.put(&key("plain"), &value("v")).await?;
    at.invalidate(target("t")).await?;
    at.has(&key("tagged"), &tagged("v", &["tt"])).await?;
    at.has(&key("plain"), &value("v")).await
}

/// A value with several tags falls with any of them.
pub async fn one_of_many_is_enough<L: Level>(at: &LevelBench<L>) -> Outcome {
    let all = ["a", "b", "c"];
    for one in all {
        at.put(&key("k"), &tagged("v", &all)).await?;
        at.has(&key("k"), &tagged("v", &all)).await?;
        at.invalidate(target(one)).await?;
        at.is_gone(&key("k")).await?;
    }
    Ok(())
}

/// Which tags a value has is known when it is loaded: an invalidation since the start of the load counts all the same.
pub async fn tag_invalidated_during_a_load<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("known"), &tagged("v", &["t"])).await?;
    let lease = at.lease(&key("k")).await?;
    at.invalidate(target("t")).await?;
    check_eq!(at.fill(&key("k"), lease, &tagged("stale", &["t"])).await?, Filled::Refused, "the fill");
    at.is_gone(&key("k")).await
}

/// Also when no value ever had the tag.
pub async fn tag_nobody_knew_invalidated_during_a_load<L: Level>(at: &LevelBench<L>) -> Outcome {
    let lease = at.lease(&key("k")).await?;
    at.invalidate(target("t")).await?;
    check_eq!(at.fill(&key("k"), lease, &tagged("stale", &["t"])).await?, Filled::Refused, "the fill");
    at.is_gone(&key("k")).await
}

/// Also when it is one of many.
pub async fn one_of_many_invalidated_during_a_load<L: Level>(at: &LevelBench<L>) -> Outcome {
    let all = ["a", "b", "c"];
    at.put(&key("known"), &tagged("v", &all)).await?;
    for one in all {
        let lease = at.lease(&key("k")).await?;
        at.invalidate(target(one)).await?;
        check_eq!(at.fill(&key("k"), lease, &tagged("stale", &all)).await?, Filled::Refused, "the fill after {one}");
        at.is_gone(&key("k")).await?;
    }
    Ok(())
}

/// A value that is only kept falls as well: it is not offered beside a lease, nor to who waits.
pub async fn tag_of_a_kept_value<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &LevelValue { fresh: Duration::ZERO, ..tagged("old", &["t"]) }).await?;
    at.invalidate(target("t")).await?;
    at.is_gone(&key("k")).await?;
    at.lease(&key("k")).await?;
    let want = Want { schema: 1, more_than: Duration::ZERO, lease: MINUTE };
    let waits = at.other().read_or_lease(at.op(), &key("k"), &want).await?;
    check_matches!(waits, Looked::Held { stale: None, .. }, "while somebody loads");
    Ok(())
}

/// The tags of a value that was replaced are not those of the new one.
pub async fn tags_are_those_of_the_last_value<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &LevelValue { fresh: Duration::ZERO, ..tagged("old", &["was"]) }).await?;
    at.put(&key("k"), &tagged("new", &["is"])).await?;
    at.invalidate(target("was")).await?;
    at.has(&key("k"), &tagged("new", &["is"])).await?;
    at.invalidate(target("is")).await?;
    at.is_gone(&key("k")).await
}

/// A load is not refused for tags that its value has not, once the level knows the ones that it has.
pub async fn other_tags_refuse_nothing<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("known"), &tagged("v", &["t"])).await?;
    for text in ["1", "2"] {
        let (one, two) = (at.lease(&key(text)).await?, at.lease(&key(&format!("plain{text}"))).await?);
        at.invalidate(target("other")).await?;
        check_eq!(at.fill(&key(text), one, &tagged(text, &["t"])).await?, Filled::Done { awaited: false }, "a fill with a tag");
        check_eq!(at.fill(&key(&format!("plain{text}")), two, &value("v")).await?, Filled::Done { awaited: false }, "one without");
        at.has(&key(text), &tagged(text, &["t"])).await?;
    }
    Ok(())
}

/// An invalidation is over once it is answered.
pub async fn load_after_the_invalidation_fills<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("k"), &tagged("old", &["t"])).await?;
    at.invalidate(target("t")).await?;
    let lease = at.lease(&key("k")).await?;
    check_eq!(at.fill(&key("k"), lease, &tagged("new", &["t"])).await?, Filled::Done { awaited: false }, "the fill");
    at.has(&key("k"), &tagged("new", &["t"])).await
}

/// One invalidation is for all keys with the tag, and not for those that were loaded after it.
pub async fn tag_shared_by_many_keys<L: Level>(at: &LevelBench<L>) -> Outcome {
    let keys: Vec<_> = (0..20).map(|n| key(&format!("k{n}"))).collect();
    for key in &keys {
        at.put(key, &tagged("old", &["t"])).await?;
    }
    at.invalidate(target("t")).await?;
    at.put(&keys[0], &tagged("new", &["t"])).await?;
    for key in &keys[1..] {
        at.is_gone(key).await?;
    }
    at.has(&keys[0], &tagged("new", &["t"])).await
}

/// A key and a tag of the same name have nothing to do with one another.
pub async fn a_key_is_no_tag<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put(&key("same"), &value("v")).await?;
    at.put(&key("k"), &tagged("v", &["same"])).await?;
    at.invalidate(target("same")).await?;
    at.has(&key("same"), &value("v")).await?;
    at.put(&key("k"), &tagged("v", &["same"])).await?;
    at.invalidate(Target::Key(key("same"))).await?;
    at.has(&key("k"), &tagged("v", &["same"])).await
}
