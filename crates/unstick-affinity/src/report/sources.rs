//! What else a report tells of.

use super::{
    FindingReport,
    json::{ToJson, object},
};
#[cfg(feature = "drain")]
use crate::drain::{CutRequest, Drain, Drained, InFlight, Phase};
use crate::{
    AffinityLayerBuilder,
    audit::{Audit, Finding},
};

/// Given to the builder, read for every report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    pub(crate) audit: Option<Audit>,
    #[cfg(feature = "drain")]
    pub(crate) drain: Option<Drain>,
}

impl AffinityLayerBuilder {
    /// Adds what this audit of the session cookie finds to the report. Default: none.
    pub fn audit(mut self, audit: &Audit) -> Self {
        self.sources.audit = Some(audit.clone());
        self
    }

    /// Tells of this drain in the report, and un-pins whatever the switch says while it goes on: pinned clients are sent to a draining node by balancers
    /// that let pins survive its failed check. Default: none.
    #[cfg(feature = "drain")]
    pub fn drain(mut self, drain: &Drain) -> Self {
        self.sources.drain = Some(drain.clone());
        self
    }
}

impl Sources {
    /// Whether clients must leave this node whatever the switch says.
    #[cfg(feature = "drain")]
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.as_ref().is_some_and(Drain::has_begun)
    }

    #[cfg(not(feature = "drain"))]
    #[allow(clippy::unused_self, reason = "with the feature it is used")]
    pub(crate) fn is_draining(&self) -> bool {
        false
    }

    pub(crate) fn findings(&self) -> Vec<FindingReport> {
        let told = |one: Finding| FindingReport {
            kind: one.kind.as_str().to_owned(),
            count: one.count,
            detail: one.detail,
            sentence: one.sentence,
        };
        self.audit.iter().flat_map(Audit::findings).map(told).collect()
    }

    #[cfg(feature = "drain")]
    pub(crate) fn drain(&self) -> Option<DrainReport> {
        let drain = self.drain.as_ref()?;
        let (phase, in_flight, pending) = (drain.phase(), drain.in_flight(), drain.pending());
        let sentence = drain.outcome().map_or_else(|| under_way(phase, &in_flight, pending), |drained| over(&drained));
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Some(DrainReport { phase: phase.as_str().to_owned(), in_flight: count(in_flight.len()), pending: count(pending), sentence })
    }

    #[cfg(not(feature = "drain"))]
    #[allow(clippy::unused_self, reason = "with the feature it is used")]
    pub(crate) fn drain(&self) -> Option<DrainReport> {
        None
    }
}

/// How far a drain is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DrainReport {
    /// A stable lowercase name: `serving`, `turning`, `closing` or `ended`.
    pub phase: String,
    /// Requests being served.
    pub in_flight: u64,
    /// Pending work, such as commits whose client has gone.
    pub pending: u64,
    /// The same for people, with the oldest request by name, and with what was cut once it is over.
    pub sentence: String,
}

impl ToJson for DrainReport {
    fn write(&self, out: &mut String) {
        let Self { phase, in_flight, pending, sentence } = self;
        object(out, &[("phase", phase), ("in_flight", in_flight), ("pending", pending), ("sentence", sentence)]);
    }
}

#[cfg(feature = "drain")]
fn under_way(phase: Phase, in_flight: &[InFlight], pending: usize) -> String {
    let what = match phase {
        Phase::Serving => "Not begun",
        Phase::Turning => "Readiness fails, everything is served",
        Phase::Closing => "Listeners are closed, the rest is awaited",
        Phase::Ended => "Over",
    };
    let oldest = in_flight.first().map(|one| format!("; the oldest request is {} with {} s", one.name, one.age.as_secs()));
    format!("{what}; {} in flight, {pending} pending{}.", in_flight.len(), oldest.unwrap_or_default())
}

#[cfg(feature = "drain")]
fn over(drained: &Drained) -> String {
    /// Enough to find the culprit.
    const MOST: usize = 20;
    let name = |CutRequest { name, age }: &CutRequest| format!("{name} after {} s", age.as_secs());
    let names: Vec<String> = drained.cut.iter().take(MOST).map(name).collect();
    let more = drained.cut.len().saturating_sub(MOST);
    let cut = match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" Cut: {}.", names.join(", ")),
        (false, more) => format!(" Cut: {} and {more} more.", names.join(", ")),
    };
    format!("{drained}.{cut}")
}

#[cfg(all(test, feature = "drain"))]
mod tests {
    use std::time::Duration;

    use unstick_core::Pending;

    use super::{CutRequest, Drained, over};
    use crate::{AffinityLayer, drain::Drain};

    #[tokio::test]
    async fn a_drain_is_told_from_begin_to_end() {
        let drain = Drain::builder().build().unwrap();
        let commits = Pending::default();
        drain.wait_for(commits.clone());
        let layer = AffinityLayer::builder().without_sessions().drain(&drain).build().unwrap();
        let told = || layer.report().drain.map(|drain| (drain.phase, drain.pending, drain.sentence)).unwrap();
        let guard = commits.enter();
        assert_eq!(told(), ("serving".to_owned(), 1, "Not begun; 0 in flight, 1 pending.".to_owned()));
        drain.begin();
        assert_eq!(told(), ("turning".to_owned(), 1, "Readiness fails, everything is served; 0 in flight, 1 pending.".to_owned()));
        drain.close_now();
        assert_eq!(told(), ("closing".to_owned(), 1, "Listeners are closed, the rest is awaited; 0 in flight, 1 pending.".to_owned()));
        drop(guard);
        drain.finished().await;
        assert_eq!(told(), ("ended".to_owned(), 0, "0 finished, 0 cut, 0 pending left.".to_owned()));
        assert!(layer.report().to_string().ends_with("\nDrain: ended\n  0 finished, 0 cut, 0 pending left.\n"));
    }

    #[test]
    fn what_was_cut_is_named() {
        let mut drained = Drained { finished: 4, ..Drained::default() };
        drained.cut.push(CutRequest { name: "GET /slow".to_owned(), age: Duration::from_secs(21) });
        assert_eq!(over(&drained), "4 finished, 1 cut, 0 pending left. Cut: GET /slow after 21 s.");
        drained.cut.extend(vec![drained.cut[0].clone(); 29]);
        let told = over(&drained);
        assert!(told.ends_with(" and 10 more.") && told.matches("GET /slow").count() == 20, "{told}");
    }
}
