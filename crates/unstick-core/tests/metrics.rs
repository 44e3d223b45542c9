//! Events as counters of the `metrics` facade.
#![cfg(feature = "metrics")]

use unstick_core::{EventKind, Events};
use unstick_testkit::observe::Counters;

#[test]
fn events_are_counted_by_kind_and_instance() {
    let recorder = Counters::default();
    metrics::with_local_recorder(&recorder, || {
        let events = Events::new("node-1");
        for _ in 0..3 {
            events.emit_with(EventKind::SessionFound, || panic!("nobody looks at the tag"), "");
        }
        events.emit(EventKind::BackendEvicted, None, "");
        events.clone().emit(EventKind::DrainEnded, None, "the last kind has a counter too");
    });
    assert_eq!(
        recorder.lines(),
        [
            "unstick_events_total kind=session_found,cause=none,instance=node-1 3",
            "unstick_events_total kind=backend_evicted,cause=eviction,instance=node-1 1",
            "unstick_events_total kind=drain_ended,cause=none,instance=node-1 1",
        ]
    );
}
