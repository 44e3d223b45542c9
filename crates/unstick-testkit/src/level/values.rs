//! Keys, tags and values of every kind.

use std::time::Duration;

use bytes::Bytes;
use unstick_core::{Filled, Level, LevelValue, Target};

use super::{LevelBench, key, tag, tagged, value};
use crate::contract::{
    Failure, Outcome,
    outcome::{check, check_eq},
};

const LONG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const ODD: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "a:",
    ":a",
    "a:b",
    "a%3Ab",
    "{",
    "}",
    "{}",
    "}{",
    "a{b}c",
    "b",
    "meta",
    "c:meta",
    "*",
    "?",
    "[a]",
    "a\n",
    "a\r\n",
    "a\0",
    "\0",
    "a\0b",
    "\u{e9}",
    "e\u{301}",
    "\u{1f6d2}",
    "\"",
    "'",
    "\\",
    "\\0",
    "i",
    "v1",
    "l1",
    LONG,
];

/// No two texts are taken for one key.
pub async fn odd_keys_are_distinct<L: Level>(at: &LevelBench<L>) -> Outcome {
    for (n, odd) in ODD.iter().enumerate() {
        at.put(&key(odd), &value(&n.to_string())).await?;
    }
    for (n, odd) in ODD.iter().enumerate() {
        at.has(&key(odd), &value(&n.to_string())).await?;
    }
    at.invalidate(Target::Key(key("{}"))).await?;
    for odd in ODD {
        check_eq!(at.read(&key(odd)).await?.is_some(), *odd != "{}", "whether {odd:?} has a value");
    }
    Ok(())
}

/// No two texts are taken for one tag.
pub async fn odd_tags_are_distinct<L: Level>(at: &LevelBench<L>) -> Outcome {
    for (n, odd) in ODD.iter().enumerate() {
        at.put(&key(&n.to_string()), &tagged("v", &[odd])).await?;
    }
    for (gone, text) in ODD.iter().enumerate() {
        at.invalidate(Target::Tag(tag(text))).await?;
        for (n, odd) in ODD.iter().enumerate().skip(gone.saturating_sub(1)).take(3) {
            check_eq!(at.read(&key(&n.to_string())).await?.is_some(), n > gone, "whether there is a value tagged {odd:?}");
        }
    }
    Ok(())
}

async fn is_kept<L: Level>(at: &LevelBench<L>, bytes: Bytes) -> Outcome {
    let filled = LevelValue { bytes, ..tagged("", &["t"]) };
    at.put(&key("k"), &filled).await?;
    at.has(&key("k"), &filled).await?;
    at.invalidate(Target::Key(key("k"))).await
}

/// All bytes, in all orders that a careless format would stumble over.
pub async fn any_bytes_are_kept<L: Level>(at: &LevelBench<L>) -> Outcome {
    for first in 0..=u8::MAX {
        if first % 5 == 0 || first < 4 {
            is_kept(at, (0..=u8::MAX).map(|byte| byte.wrapping_add(first)).collect()).await?;
        }
    }
    Ok(())
}

/// A large value.
pub async fn one_megabyte<L: Level>(at: &LevelBench<L>) -> Outcome {
    is_kept(at, (0_u32..1 << 20).map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect()).await
}

/// A value may be empty.
pub async fn no_bytes_at_all<L: Level>(at: &LevelBench<L>) -> Outcome {
    is_kept(at, Bytes::new()).await
}

/// Many tags, and the last of them counts.
pub async fn a_hundred_tags<L: Level>(at: &LevelBench<L>) -> Outcome {
    let tags: Vec<String> = (0..100).map(|n| format!("tag {n}")).collect();
    let texts: Vec<&str> = tags.iter().map(String::as_str).collect();
    let filled = tagged("v", &texts);
    at.put(&key("k"), &filled).await?;
    at.has(&key("k"), &filled).await?;
    at.invalidate(Target::Tag(tag("tag 99"))).await?;
    at.is_gone(&key("k")).await
}

/// For ever is a time, too.
pub async fn far_ends_are_kept<L: Level>(at: &LevelBench<L>) -> Outcome {
    let year = Duration::from_secs(365 * 24 * 3600);
    for (n, far) in [year, year * 100_000, Duration::MAX].into_iter().enumerate() {
        let key = key(&n.to_string());
        let lease = at.lease_for(&key, 1, far).await?;
        check!(at.level().extend(at.op(), &key, 1, lease.token, far).await?, "the lease is there");
        let filled = LevelValue { fresh: far, kept: far, ..tagged("v", &["t"]) };
        if at.fill(&key, lease, &filled).await? == Filled::Refused {
            at.put(&key, &filled).await?; // a tag that the level did not know
        }
        let Some(read) = at.read(&key).await? else { return Err(Failure::new(format!("a value kept for {far:?} is gone"))) };
        check!(read.fresh > year / 2, "it is fresh for {:?}", read.fresh);
        check!(read.fresh <= far && read.kept <= far, "it is kept for {:?}", read.kept);
    }
    Ok(())
}
