//! What a kill meant for those who had been served by the nodes that are gone.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::milliseconds;
use crate::journal::{Asks, Ended, Mark, Record, What};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Recovery {
    /// What was killed.
    pub(crate) what: String,
    /// People whose last answer before the kill came from there, and whose session was asked for after it.
    pub(crate) people: usize,
    /// Those of them who were known again.
    pub(crate) recovered: usize,
    /// Those who had to log in anew.
    pub(crate) logged_out: usize,
    /// From the first request after the kill that is about the session, or the kill itself if a request was under way, to the answer that knew its shopper again: the longest. `None` if nobody was.
    pub(crate) longest_ms: Option<f64>,
}

pub(super) fn after_each_kill(records: &[Record], marks: &[Mark]) -> Vec<Recovery> {
    let mut people: BTreeMap<usize, Vec<&Record>> = BTreeMap::new();
    for record in records {
        people.entry(record.shopper).or_default().push(record);
    }
    let kills = marks.iter().filter(|mark| mark.what == What::Killed);
    kills.map(|kill| after(kill, people.values())).collect()
}

/// Whether a request failed because its node was killed: the node is known to be one of those, or it is not known, and the request was under way.
pub(super) fn is_cut(record: &Record, marks: &[Mark]) -> bool {
    marks.iter().filter(|mark| mark.what == What::Killed && record.answered >= mark.begun).any(|kill| match record.node {
        Some(node) => kill.about.contains(&node),
        None => record.sent <= kill.done,
    })
}

fn after<'a>(kill: &Mark, people: impl Iterator<Item = &'a Vec<&'a Record>>) -> Recovery {
    let mut recovery = Recovery { what: kill.text(), people: 0, recovered: 0, logged_out: 0, longest_ms: None };
    let mut longest = Duration::ZERO;
    for records in people {
        let before = records.iter().take_while(|record| record.answered <= kill.begun).count();
        let (past, rest) = records.split_at(before);
        let is_affected =
            past.last().is_some_and(|last| last.ended == Ended::Done && last.node.is_some_and(|node| kill.about.contains(&node)));
        let mut rest = rest.iter().filter(|record| record.asks == Asks::ForMe).peekable();
        let (true, Some(first)) = (is_affected, rest.peek().copied()) else { continue };
        recovery.people += 1;
        match rest.find_map(|record| Some((record.is_known?, record.answered))) {
            Some((true, answered)) => {
                recovery.recovered += 1;
                longest = longest.max(answered.saturating_sub(first.sent.max(kill.begun)));
            }
            Some((false, _)) => recovery.logged_out += 1,
            None => {}
        }
    }
    recovery.longest_ms = (recovery.recovered > 0).then(|| milliseconds(longest));
    recovery
}
