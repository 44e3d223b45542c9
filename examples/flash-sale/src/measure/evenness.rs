//! How evenly requests were spread over nodes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::PER_NODE;
use crate::journal::{Mark, Record, What};

/// The spread between a scale-out and the next change of the fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Evenness {
    pub(crate) nodes: usize,
    pub(crate) requests: usize,
    /// Full windows: [`PER_NODE`] times the nodes, one after the other; or one of all requests, if the balancer does not count them.
    pub(crate) windows: usize,
    /// The farthest that any node was from the mean in any of them. `None` without a full window.
    pub(crate) worst_percent: Option<f64>,
    /// The load, on average, of each node that was added since the doors opened, in percent of the mean over all. `None` without requests.
    pub(crate) newcomers_percent: Option<f64>,
}

pub(super) fn after_each_scale_out(records: &[Record], marks: &[Mark]) -> Vec<Evenness> {
    let scaled = marks.iter().enumerate().filter(|(_, mark)| mark.what == What::Scaled);
    let opened = marks.iter().find(|mark| mark.what == What::Opened).map(|mark| mark.serving.as_slice()).unwrap_or_default();
    scaled.map(|(index, mark)| between(records, opened, mark, marks.get(index + 1))).collect()
}

fn between(records: &[Record], opened: &[usize], mark: &Mark, next: Option<&Mark>) -> Evenness {
    let is_before_next = |record: &&Record| next.is_none_or(|next| record.sent < next.begun);
    // By the balancer's own count, if it tells one: when a request was sent says little about when it was given to a node.
    let mut ordered: Vec<((u64, u64), usize)> = match mark.epoch {
        Some(epoch) => {
            let counted = records.iter().filter(is_before_next).filter_map(|record| Some((record.turn?, record.node?)));
            counted.filter(|((of, _), _)| *of == epoch).collect()
        }
        None => {
            let since = records.iter().filter(|record| record.sent >= mark.done).filter(is_before_next);
            let order = |record: &Record| u64::try_from(record.sent.as_micros()).unwrap_or(u64::MAX);
            since.filter_map(|record| Some(((order(record), 0), record.node?))).collect()
        }
    };
    ordered.sort_unstable();
    let nodes: Vec<usize> = ordered.into_iter().map(|(_, node)| node).collect();
    let least = (PER_NODE * mark.serving.len()).max(1);
    // Without its count the edges of windows are blurred, so all requests are one.
    let window = if mark.epoch.is_some() { least } else { nodes.len().max(least) };
    let full = nodes.chunks_exact(window);
    let newcomers: Vec<usize> = mark.serving.iter().copied().filter(|node| !opened.contains(node)).collect();
    let on_newcomers = nodes.iter().filter(|node| newcomers.contains(node)).count();
    let mean = |requests: usize, nodes: usize| requests as f64 / nodes as f64;
    let has_newcomers = !nodes.is_empty() && !newcomers.is_empty();
    Evenness {
        nodes: mark.serving.len(),
        requests: nodes.len(),
        windows: full.len(),
        worst_percent: full.map(|window| worst(window, &mark.serving)).max_by(f64::total_cmp),
        newcomers_percent: has_newcomers.then(|| mean(on_newcomers, newcomers.len()) * 100.0 / mean(nodes.len(), mark.serving.len())),
    }
}

/// The farthest that a node is from the mean, in percent of it. Nodes that got nothing count.
pub(super) fn worst(window: &[usize], serving: &[usize]) -> f64 {
    let mut counts: BTreeMap<usize, usize> = serving.iter().map(|node| (*node, 0)).collect();
    for node in window {
        *counts.entry(*node).or_default() += 1;
    }
    let mean = window.len() as f64 / serving.len().max(1) as f64;
    let off = counts.values().map(|count| (*count as f64 - mean).abs() * 100.0 / mean);
    off.max_by(f64::total_cmp).unwrap_or(0.0)
}
