//! The journal second by second, for charts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{milliseconds, percent, percentile};
use crate::journal::{Cart, Clicked, Record, Written};

/// One second, by the time of sending. Counts of what was lost are since the doors opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Second {
    pub(crate) second: u64,
    pub(crate) requests: usize,
    pub(crate) by_node: BTreeMap<usize, usize>,
    /// Percent of the answers in this second; `None` where none was expected.
    pub(crate) continuity: Option<f64>,
    pub(crate) pinned_percent: Option<f64>,
    pub(crate) carts_lost: usize,
    pub(crate) logouts: usize,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
}

pub(crate) fn series(Written { records, clicks, .. }: &Written) -> Vec<Second> {
    let mut clicked: BTreeMap<u64, Vec<&Clicked>> = BTreeMap::new();
    for click in clicks {
        clicked.entry(click.begun.as_secs()).or_default().push(click);
    }
    let mut by_second: BTreeMap<u64, Vec<&Record>> = BTreeMap::new();
    for record in records {
        by_second.entry(record.sent.as_secs()).or_default().push(record);
    }
    let last = by_second.keys().next_back().map_or(0, |last| last + 1);
    let (mut carts_lost, mut logouts) = (0, 0);
    let seconds = (0..last).map(|second| {
        let all = by_second.remove(&second).unwrap_or_default();
        let count = |test: &dyn Fn(&Record) -> bool| all.iter().filter(|record| test(record)).count();
        carts_lost += count(&|record| record.cart == Some(Cart::Lost));
        logouts += count(&|record| record.is_known == Some(false));
        let expected = count(&|record| record.is_known.is_some());
        let known = count(&|record| record.is_known == Some(true));
        let mut by_node = BTreeMap::new();
        for node in all.iter().filter_map(|record| record.node) {
            *by_node.entry(node).or_default() += 1;
        }
        let made = clicked.remove(&second).unwrap_or_default();
        let felt: Vec<_> = made.iter().map(|click| click.over.saturating_sub(click.due)).collect();
        let rank = |rank| (!felt.is_empty()).then(|| milliseconds(percentile(felt.clone(), rank)));
        Second {
            second,
            requests: all.len(),
            by_node,
            continuity: (expected > 0).then(|| percent(known, expected)),
            pinned_percent: (!all.is_empty()).then(|| percent(count(&|record| record.is_pinned), all.len())),
            carts_lost,
            logouts,
            p50_ms: rank(50),
            p99_ms: rank(99),
        }
    });
    seconds.collect()
}
