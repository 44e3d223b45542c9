//! Events as counters of the `metrics` facade.
#![cfg(feature = "metrics")]

use unstick_core::{Availability, EventKind, Events};
use unstick_testkit::observe::Series;

fn grown(series: &Series) -> Vec<String> {
    series.lines().into_iter().filter(|line| !line.ends_with(" 0")).collect()
}

/// All series of a node, at 0.
fn quiet(node: &str) -> Vec<String> {
    let line = |kind: &EventKind| {
        let cause = kind.cause().map_or("none", unstick_core::Cause::as_str);
        format!("unstick_events_total kind={},cause={cause},node={node} 0", kind.as_str())
    };
    EventKind::ALL.iter().map(line).chain([format!("unstick_backends_down node={node} 0")]).collect()
}

#[test]
fn every_kind_is_known_at_0_before_anything_happens() {
    let recorder = Series::default();
    metrics::with_local_recorder(&recorder, || drop(Events::new("node-1")));
    assert_eq!(recorder.lines(), quiet("node-1"));
}

#[test]
fn events_are_counted_by_kind_and_node() {
    let recorder = Series::default();
    metrics::with_local_recorder(&recorder, || {
        let events = Events::new("node-1");
        for _ in 0..3 {
            events.emit_with(EventKind::SessionFound, || panic!("nobody looks at the tag"), "");
        }
        events.emit(EventKind::BackendEvicted, None, "");
        events.clone().emit(EventKind::DrainEnded, None, "the last kind has a counter too");
    });
    assert_eq!(recorder.lines().len(), EventKind::ALL.len() + 1);
    assert_eq!(
        grown(&recorder),
        [
            "unstick_events_total kind=session_found,cause=none,node=node-1 3",
            "unstick_events_total kind=backend_evicted,cause=eviction,node=node-1 1",
            "unstick_events_total kind=drain_ended,cause=none,node=node-1 1",
        ]
    );
}

/// Builders begin with such events, and drop them for those of a node.
#[test]
fn a_node_without_a_name_is_known_from_its_first_event() {
    let recorder = Series::default();
    metrics::with_local_recorder(&recorder, || {
        let events = Events::default();
        assert_eq!(recorder.lines(), [""; 0]);
        events.emit(EventKind::SessionCreated, None, "");
    });
    assert_eq!(recorder.lines().len(), EventKind::ALL.len());
    assert_eq!(grown(&recorder), ["unstick_events_total kind=session_created,cause=none,node= 1"]);
}

#[test]
fn a_recorder_that_comes_before_the_first_event_counts_it() {
    let (recorder, events) = (Series::default(), Events::new("early"));
    metrics::with_local_recorder(&recorder, || events.emit(EventKind::DrainBegan, None, ""));
    assert_eq!(recorder.lines().len(), EventKind::ALL.len());
    assert_eq!(grown(&recorder), ["unstick_events_total kind=drain_began,cause=none,node=early 1"]);
}

#[test]
fn what_is_down_is_a_gauge_and_whoever_is_gone_is_not_in_it() {
    let recorder = Series::default();
    let down = |recorder: &Series| recorder.lines().into_iter().find(|line| line.starts_with("unstick_backends_down node=n ")).unwrap();
    metrics::with_local_recorder(&recorder, || {
        let events = Events::new("n");
        assert_eq!(down(&recorder), "unstick_backends_down node=n 0");
        let (one, two) = (Availability::default(), Availability::default());
        for _ in 0..3 {
            one.fails(&events, &"timeout");
            two.fails(&events, &"timeout");
        }
        assert_eq!(down(&recorder), "unstick_backends_down node=n 2");
        one.answers(&events, &"");
        one.answers(&events, &"");
        assert_eq!(down(&recorder), "unstick_backends_down node=n 1");
        drop(two);
        assert_eq!(down(&recorder), "unstick_backends_down node=n 0");
    });
}
