//! Figures from the shoppers' journal. Pure functions.

mod evenness;
mod recovery;
mod series;

use std::time::Duration;

use serde::Serialize;

pub(crate) use self::{
    evenness::Evenness,
    recovery::Recovery,
    series::{Second, series},
};
use crate::journal::{Cart, Ended, Note, Record, Written};

/// A full window has so many requests for each node, on average: enough for a tenth to be two requests.
pub(crate) const PER_NODE: usize = 20;

/// What a run comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) requests: usize,
    /// Requests that were answered with an error, or not at all: those that a kill cut off, and all others, for which there is no excuse.
    pub(crate) failed: usize,
    pub(crate) failed_in_kills: usize,
    pub(crate) failed_otherwise: usize,
    /// Answers to people who had been told that they are logged in, and those that knew them.
    pub(crate) expected: usize,
    pub(crate) known: usize,
    /// `known` by `expected` in percent.
    pub(crate) continuity: f64,
    pub(crate) logouts: usize,
    /// Answers for somebody else.
    pub(crate) strangers: usize,
    /// What people meant to pay for, and what of it was paid for as it was put together.
    pub(crate) orders: usize,
    pub(crate) orders_whole: usize,
    /// Carts with something in them that somebody meant to pay for, and what became of them. Lost are also those that were beyond reach.
    pub(crate) carts: usize,
    pub(crate) carts_lost: usize,
    pub(crate) carts_grown: usize,
    /// Notes that were read, those older than their reader had saved them, and those that a node had in its memory.
    pub(crate) notes_read: usize,
    pub(crate) notes_stale: usize,
    pub(crate) notes_hit: usize,
    /// From the time at which a click was due until it was answered or given up, whatever requests it took, in milliseconds.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// How much later than due clicks were sent: what this machine could not keep up with.
    pub(crate) late_p99_ms: f64,
    pub(crate) evenness: Vec<Evenness>,
    pub(crate) recoveries: Vec<Recovery>,
}

impl Summary {
    pub(crate) fn of(written: &Written) -> Self {
        let Written { records, clicks, marks } = written;
        let count = |test: &dyn Fn(&Record) -> bool| records.iter().filter(|record| test(record)).count();
        let expected = count(&|record| record.is_known.is_some());
        let known = count(&|record| record.is_known == Some(true));
        let carts = |what| count(&|record| record.cart == Some(what));
        let felt: Vec<Duration> = clicks.iter().map(|click| click.over.saturating_sub(click.due)).collect();
        let late: Vec<Duration> = clicks.iter().map(|click| click.begun.saturating_sub(click.due)).collect();
        let failed = count(&|record| record.ended == Ended::Failed);
        let failed_in_kills = count(&|record| record.ended == Ended::Failed && recovery::is_cut(record, marks));
        let note = |test: fn(Note) -> bool| count(&|record| record.note.is_some_and(test));
        Self {
            requests: records.len(),
            failed,
            failed_in_kills,
            failed_otherwise: failed - failed_in_kills,
            expected,
            known,
            continuity: percent(known, expected),
            logouts: expected - known,
            strangers: count(&|record| record.is_stranger),
            orders: count(&|record| record.is_order),
            orders_whole: carts(Cart::Whole),
            carts: count(&|record| record.cart.is_some()),
            carts_lost: carts(Cart::Lost),
            carts_grown: carts(Cart::Grown),
            notes_read: note(|_| true),
            notes_stale: note(|note| note.is_stale),
            notes_hit: note(|note| note.is_hit),
            p50_ms: milliseconds(percentile(felt.clone(), 50)),
            p99_ms: milliseconds(percentile(felt, 99)),
            late_p99_ms: milliseconds(percentile(late, 99)),
            evenness: evenness::after_each_scale_out(records, marks),
            recoveries: recovery::after_each_kill(records, marks),
        }
    }

    /// Whether anything is missing that was acknowledged, or somebody could not be served: an order that was not paid for in full, or a request that failed
    /// although nobody killed the node that had it.
    pub(crate) const fn has_lost(&self) -> bool {
        let lost = self.logouts + self.carts_lost + self.carts_grown + self.notes_stale + self.strangers + self.failed_otherwise;
        lost > 0 || self.orders_whole != self.orders
    }

    /// Whether a scale-out has no full window after it, so that nothing can be said of the load.
    pub(crate) fn is_load_unknown(&self) -> bool {
        self.evenness.iter().any(|one| one.windows == 0)
    }

    /// The farthest that a node's load was from the mean in any full window, in percent.
    pub(crate) fn worst_percent(&self) -> Option<f64> {
        self.evenness.iter().filter_map(|one| one.worst_percent).max_by(f64::total_cmp)
    }

    /// The load of the nodes that were added since the doors opened, after the last scale-out, in percent of the mean.
    pub(crate) fn newcomers_percent(&self) -> Option<f64> {
        self.evenness.last().and_then(|one| one.newcomers_percent)
    }
}

/// 100 of nothing.
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 * 100.0 / whole as f64 }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// By nearest rank; zero of nothing.
fn percentile(mut all: Vec<Duration>, rank: usize) -> Duration {
    all.sort_unstable();
    let position = (all.len() * rank).div_ceil(100);
    all.get(position.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
