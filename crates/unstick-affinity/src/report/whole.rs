//! The report as data.

use std::cmp::Reverse;

use super::{
    DrainReport, PinReport, ReportService,
    json::{ToJson, object},
    text,
};
use crate::{AffinityLayer, tally::Tally};

/// What a node knows about stickiness. See the [module docs](super).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// The node, as its [`Events`](unstick_core::Events) are called.
    pub instance: String,
    /// Requests that the switch was on for. Others are not looked at, nor counted.
    pub requests: u64,
    /// Those of them that carried a pin.
    pub pinned: u64,
    /// `pinned` by `requests`, from 0 to 1. A pin that the balancer hides from the application is not in it.
    pub pinned_ratio: f64,
    /// Products that are configured or were seen: configured ones first, then those seen most.
    pub pins: Vec<PinReport>,
    /// How often the route watch saw a client stay on this node for longer than chance explains, with no pin in sight.
    pub route_runs: u64,
    /// What they mean, if there are any.
    pub route_sentence: Option<String>,
    /// Products that may be behind them, each with the setting that ends its pin; empty if there are none.
    pub route_settings: Vec<String>,
    /// What the session-cookie audit found, if the layer was given one.
    pub findings: Vec<FindingReport>,
    /// The drain, if the layer was given one.
    pub drain: Option<DrainReport>,
}

/// One kind of misconfiguration that the audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FindingReport {
    /// A stable lowercase name.
    pub kind: String,
    /// How often it was seen.
    pub count: u64,
    /// What was seen the first time: attributes and host names, never a cookie's value.
    pub detail: String,
    /// What an operator has to know and do.
    pub sentence: String,
}

impl AffinityLayer {
    /// What this node has seen since the layer was built, and what is to be done about it. See [`report`](crate::report).
    #[must_use]
    pub fn report(&self) -> Report {
        let config = &self.config;
        let counted = Report::of(&config.tally, config.events.instance());
        Report { findings: config.sources.findings(), drain: config.sources.drain(), ..counted }
    }

    /// The report as a service, to mount on an internal route.
    #[must_use]
    pub fn report_service(&self) -> ReportService {
        ReportService::new(self)
    }
}

impl Report {
    /// The report of these counters.
    pub(crate) fn of(tally: &Tally, instance: &str) -> Self {
        let [requests, pinned, route_runs] = tally.totals();
        let mut pins: Vec<PinReport> = tally.rows.iter().filter_map(|row| row.pinned().report(requests, route_runs)).collect();
        pins.sort_by_key(|pin| (!pin.is_configured, Reverse(pin.counts.seen)));
        Self {
            instance: instance.to_owned(),
            requests,
            pinned,
            pinned_ratio: ratio(pinned, requests),
            pins,
            route_runs,
            route_sentence: (route_runs > 0).then(|| text::route_sentence(route_runs)),
            route_settings: if route_runs > 0 { text::route_settings() } else { Vec::new() },
            findings: Vec::new(),
            drain: None,
        }
    }

    /// As JSON: an object with the names of the fields, as feature `serde` serializes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

#[allow(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 53 bits")]
fn ratio(part: u64, whole: u64) -> f64 {
    // Counters are read one after the other, while requests come in.
    if whole == 0 { 0.0 } else { part.min(whole) as f64 / whole as f64 }
}

impl ToJson for Report {
    fn write(&self, out: &mut String) {
        let Self { instance, requests, pinned, pinned_ratio, pins, route_runs, route_sentence, route_settings, findings, drain } = self;
        object(
            out,
            &[
                ("instance", instance),
                ("requests", requests),
                ("pinned", pinned),
                ("pinned_ratio", pinned_ratio),
                ("pins", pins),
                ("route_runs", route_runs),
                ("route_sentence", route_sentence),
                ("route_settings", route_settings),
                ("findings", findings),
                ("drain", drain),
            ],
        );
    }
}

impl ToJson for FindingReport {
    fn write(&self, out: &mut String) {
        let Self { kind, count, detail, sentence } = self;
        object(out, &[("kind", kind), ("count", count), ("detail", detail), ("sentence", sentence)]);
    }
}

#[cfg(test)]
mod tests;
