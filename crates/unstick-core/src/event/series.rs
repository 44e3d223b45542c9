//! Events as counters, and outages as a gauge, of the `metrics` facade.

use std::sync::OnceLock;

use metrics::{Counter, Gauge};

use super::EventKind;
use crate::Cause;

/// The counters of one node, by kind. Looked up together at the first event: a counter that begins with its first event is born with
/// value 1, and rates and increases of it miss that event.
#[derive(Debug, Clone, Default)]
pub(super) struct Series(OnceLock<Box<[Counter]>>);

impl Series {
    pub(super) fn count(&self, node: &str, kind: EventKind) {
        let counters = self.0.get_or_init(|| counters(node));
        if let Some(counter) = counters.get(kind as usize) {
            counter.increment(1);
        }
    }
}

/// Makes all series of a node known, at 0. Their handles are not kept: a recorder may yet be installed.
pub(super) fn register(node: &str) {
    drop(counters(node));
    drop(gauge(node));
}

fn counters(node: &str) -> Box<[Counter]> {
    let counter = |kind: &EventKind| {
        let cause = kind.cause().map_or("none", Cause::as_str);
        metrics::counter!("unstick_events_total", "kind" => kind.as_str(), "cause" => cause, "node" => node.to_owned())
    };
    EventKind::ALL.iter().map(counter).collect()
}

fn gauge(node: &str) -> Gauge {
    metrics::gauge!("unstick_backends_down", "node" => node.to_owned())
}

/// Is counted in `unstick_backends_down` while it lives.
#[derive(Debug)]
pub(crate) struct Outage(Gauge);

impl Outage {
    pub(crate) fn new(node: &str) -> Self {
        let gauge = gauge(node);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
