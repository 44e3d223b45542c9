//! What a response tells its client: which slot it sets, and which of those that the request brought it takes away.
//!
//! Requests of one client overlap, and their responses arrive in any order. Nothing is lost, because every response sets a
//! slot of a name of its own, and takes away only what that slot contains.

use std::time::Duration;

use unstick_core::{HeaderBudget, Timestamp};

use super::{
    client::Written,
    text::{self, Content, Dated},
};
use crate::mark::Mark;

/// What a request brought along: authentic and in time.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) name: Box<str>,
    /// Characters of its text.
    pub(super) len: usize,
    pub(super) content: Content,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of a text, in characters.
    pub(super) bytes: usize,
    /// Slots that are looked at in one request.
    pub(super) slots: usize,
}

/// How long marks are carried, and what lines cost.
pub(super) trait Terms {
    /// For how long what is stale now may be kept somewhere, in whole seconds and never zero.
    fn pending(&self) -> Duration;
    /// How long a mark is carried that may be contradicted for so long; zero when level and bus have confirmed it.
    fn life(&self, pending_for: Duration) -> Duration;
    /// By how much the clock of the node that issued a mark may differ from this one's.
    fn skew(&self) -> Duration;
    /// Bytes of the line that sets a slot to a text of so many characters.
    fn set(&self, text: usize) -> usize;
    fn removal(&self, name: &str) -> usize;
}

#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Plan {
    pub(super) set: Option<(Content, Duration)>,
    /// Indices of the slots that the request brought.
    pub(super) remove: Vec<usize>,
    /// How many of the expired ones are removed, too.
    pub(super) expired: usize,
}

/// Whether there is anything to say.
pub(super) fn is_due(written: &Written, carried: &[Slot], expired: &[Box<str>], limits: Limits) -> bool {
    !written.is_empty() || !expired.is_empty() || is_crowded(carried, limits)
}

/// So many that also a response that has nothing of its own to say merges them.
fn is_crowded(carried: &[Slot], limits: Limits) -> bool {
    carried.len() >= (limits.slots / 2).max(2)
}

pub(super) fn plan(
    now: Timestamp,
    written: Written,
    carried: &[Slot],
    expired: &[Box<str>],
    limits: Limits,
    terms: &impl Terms,
    budget: &mut HeaderBudget,
) -> Plan {
    let is_write = !written.is_empty();
    let mut plan = Plan::default();
    if is_write || is_crowded(carried, limits) {
        let is_pending = written.overflow == Some(true) || written.marks.iter().any(Mark::is_pending);
        let theirs = carried.iter().map(|slot| slot.content.pending_for()).max().unwrap_or_default();
        let pending_for = if is_pending { theirs.max(terms.pending()) } else { theirs };
        let bypass = || (Content::Bypass { pending_for }, (0..carried.len()).collect());
        let (content, absorbed) = merge(now, written, carried, limits, terms.pending()).unwrap_or_else(bypass);
        let is_saving = is_write || absorbed.len() > 1;
        if is_saving && budget.take(terms.set(text::len(now, &content))) {
            let life = content.life(now, terms);
            plan = Plan { set: Some((content, life)), remove: absorbed, expired: 0 };
        } else if is_write {
            let (content, absorbed) = bypass();
            budget.spend(terms.set(text::len(now, &content)));
            let life = content.life(now, terms);
            plan = Plan { set: Some((content, life)), remove: absorbed, expired: 0 };
        }
    }
    plan.remove.retain(|index| budget.take(terms.removal(&carried[*index].name)));
    plan.expired = expired.iter().take_while(|name| budget.take(terms.removal(name))).count();
    plan
}

/// One content for what was written and for those of the carried slots that it absorbs; `None` when that is more than a client may carry.
fn merge(now: Timestamp, written: Written, carried: &[Slot], limits: Limits, pending: Duration) -> Option<(Content, Vec<usize>)> {
    if written.overflow.is_some() {
        return None;
    }
    let is_write = !written.is_empty();
    let mut marks: Vec<Dated> = written.dated(now, pending).collect();
    let mut len = text::len(now, &Content::Marks(marks.clone()));
    if len > limits.bytes {
        return None;
    }
    let mut absorbed = Vec::new();
    if is_crowded(carried, limits) || (is_write && carried.len() >= 2) {
        for (index, slot) in carried.iter().enumerate() {
            let Content::Marks(theirs) = &slot.content else { continue };
            let before = marks.len();
            for dated in theirs {
                let known = marks.iter_mut().find(|known| known.mark.id == dated.mark.id);
                match known {
                    // the one that lives longer
                    Some(known) => {
                        known.mark.level_pending |= dated.mark.level_pending;
                        known.mark.bus_pending |= dated.mark.bus_pending;
                        known.pending_for = known.pending_for.max(dated.pending_for);
                    }
                    None => marks.push(dated.clone()),
                }
            }
            let merged = text::len(now, &Content::Marks(marks.clone()));
            if merged <= limits.bytes {
                len = merged;
                absorbed.push(index);
            } else {
                marks.truncate(before);
            }
        }
    }
    let left = (0..carried.len()).filter(|index| !absorbed.contains(index));
    let (slots, bytes) = left.fold((1, len), |(slots, bytes), index| (slots + 1, bytes + carried[index].len));
    (slots <= limits.slots && bytes <= limits.bytes * 2).then_some((Content::Marks(marks), absorbed))
}

impl Content {
    fn pending_for(&self) -> Duration {
        match self {
            Self::Marks(marks) => marks.iter().map(|dated| dated.pending_for).max().unwrap_or_default(),
            Self::Bypass { pending_for } => *pending_for,
        }
    }

    /// How much longer it is of use.
    fn life(&self, now: Timestamp, terms: &impl Terms) -> Duration {
        match self {
            Self::Marks(marks) => marks.iter().map(|dated| left(now, dated, terms)).max().unwrap_or_default(),
            Self::Bypass { pending_for } => terms.life(*pending_for),
        }
    }
}

/// By the clock of another node the mark may be younger than by this one.
fn left(now: Timestamp, dated: &Dated, terms: &impl Terms) -> Duration {
    let life = terms.life(dated.pending_for);
    life.saturating_add(terms.skew()).saturating_sub(now.since(dated.issued)).min(life)
}
