//! What events alone tell.

use std::{sync::Arc, time::Duration};

use unstick_affinity::audit::{Audit, Finding, FindingKind};
use unstick_core::{Credential, Event, EventKind, Events, SessionTag, Timestamp};
use unstick_testkit::{clock::ManualClock, observe::EventLog};

struct Node {
    clock: ManualClock,
    audit: Audit,
    told: Arc<EventLog>,
    events: Events,
}

fn node() -> Node {
    let (clock, told) = (ManualClock::default(), Arc::new(EventLog::default()));
    let audit = Audit::builder("id").runtime(clock.runtime()).events(Events::new("n").observer(told.clone())).build().unwrap();
    let events = Events::new("n").observer(Arc::new(audit.clone()));
    Node { clock, audit, told, events }
}

fn tag() -> SessionTag {
    let at = |secs| Timestamp::ZERO + Duration::from_secs(secs);
    Credential::issue(at(1), at(2), at(3)).unwrap().lineage().record_key().tag()
}

impl Node {
    fn kinds(&self) -> Vec<FindingKind> {
        self.audit.findings().iter().map(|finding: &Finding| finding.kind).collect()
    }

    /// Loses young sessions that others have created, for so many seconds.
    fn lose(&self, seconds: u64) {
        for _ in 0..seconds {
            self.events.emit(EventKind::SessionLost, Some(tag()), Event::JUST_ISSUED);
            self.clock.advance(Duration::from_secs(1));
        }
    }
}

#[test]
fn young_sessions_missing_again_and_again_mean_two_stores() {
    let node = node();
    node.lose(60);
    assert_eq!(node.kinds(), [], "a store that was emptied once looks the same for a minute");
    node.lose(60);
    assert_eq!(node.kinds(), [FindingKind::StoreMismatch]);
    assert_eq!(node.audit.count(FindingKind::StoreMismatch), 120);
}

#[test]
fn a_store_that_is_emptied_now_and_then_is_not_two() {
    let node = node();
    for _ in 0..10 {
        node.lose(60);
        node.clock.advance(Duration::from_secs(3600));
    }
    assert_eq!((node.kinds(), node.audit.count(FindingKind::StoreMismatch)), (vec![], 600));
}

#[test]
fn one_session_counts_once_and_old_ones_do_not() {
    let node = node();
    let one = tag();
    for _ in 0..200 {
        node.events.emit(EventKind::SessionLost, Some(one), Event::JUST_ISSUED);
        node.events.emit(EventKind::SessionLost, Some(tag()), "");
        node.clock.advance(Duration::from_secs(1));
    }
    assert!(node.audit.count(FindingKind::StoreMismatch) <= 2, "{}", node.audit.count(FindingKind::StoreMismatch));
    assert_eq!(node.kinds(), []);
}

#[test]
fn a_store_that_fails_or_evicts_is_not_taken_for_two() {
    for (kind, found) in [
        (EventKind::BackendEvicted, &[FindingKind::StoreEvicts][..]),
        (EventKind::BackendDown, &[FindingKind::StoreDown]),
        (EventKind::BackendHealed, &[]),
        (EventKind::BackendReconnected, &[]),
    ] {
        let node = node();
        node.events.emit(kind, None, "");
        node.lose(200);
        assert_eq!(node.kinds(), found, "{kind:?}");
    }
}

#[test]
fn a_store_that_forgets_what_this_node_wrote() {
    let node = node();
    for _ in 0..200 {
        let one = tag();
        node.events.emit(EventKind::SessionCreated, Some(one), "");
        node.clock.advance(Duration::from_secs(1));
        node.events.emit(EventKind::SessionLost, Some(one), Event::JUST_ISSUED);
    }
    assert_eq!(node.kinds(), [FindingKind::StoreEvicts]);
}

#[test]
fn sessions_in_any_number_take_bounded_room_and_raise_no_alarm() {
    let node = node();
    for _ in 0..3000 {
        node.events.emit(EventKind::SessionCreated, Some(tag()), "");
    }
    node.lose(10);
    assert_eq!(node.audit.count(FindingKind::StoreMismatch), 0, "what was forgotten may have been written here");
}

#[test]
fn a_few_forged_keys_among_many_sessions_are_nothing() {
    let node = node();
    (0..1000).for_each(|_| node.events.emit(EventKind::SessionFound, None, ""));
    (0..40).for_each(|_| node.events.emit(EventKind::SessionUnknownKey, None, ""));
    assert_eq!(node.kinds(), []);
    (0..40).for_each(|_| node.events.emit(EventKind::SessionUnknownKey, None, ""));
    assert_eq!(node.kinds(), [FindingKind::KeyMismatch]);
}

#[test]
fn a_mistake_made_late_is_told_soon_and_a_scanner_is_not() {
    let node = node();
    for hour in 0..5 {
        (0..50_000).for_each(|_| node.events.emit(EventKind::SessionFound, None, ""));
        node.clock.advance(Duration::from_secs(3600));
        (0..8).for_each(|_| node.events.emit(EventKind::SessionUnknownKey, None, ""));
        assert_eq!(node.kinds(), [], "hour {hour}");
    }
    node.clock.advance(Duration::from_secs(3600));
    (0..50).for_each(|_| node.events.emit(EventKind::SessionUnknownKey, None, ""));
    assert_eq!(node.kinds(), [FindingKind::KeyMismatch]);
    (0..50_000).for_each(|_| node.events.emit(EventKind::SessionFound, None, ""));
    assert_eq!(node.kinds(), [FindingKind::KeyMismatch], "what was told stays in the report");
}

#[test]
fn findings_are_told_once_and_then_at_powers_of_ten() {
    let node = node();
    (0..150).for_each(|_| node.events.emit(EventKind::ClockSkew, None, ""));
    node.events.emit(EventKind::EvictionPolicy, None, "allkeys-lru");
    let told: Vec<_> = node.told.all().into_iter().map(|event| (event.kind, event.detail)).collect();
    let one = |kind: FindingKind| (EventKind::CookieMisconfigured, kind.as_str().to_owned());
    let skew = one(FindingKind::ClockSkew);
    assert_eq!(told, [skew.clone(), skew.clone(), skew, one(FindingKind::StoreEvicts)]);
    assert_eq!(node.kinds(), [FindingKind::ClockSkew, FindingKind::StoreEvicts]);
}

#[test]
fn other_events_say_nothing() {
    let node = node();
    for kind in [
        EventKind::SessionExpired,
        EventKind::SessionEnded,
        EventKind::SessionAfterEnd,
        EventKind::SessionForged,
        EventKind::SessionMalformed,
        EventKind::PinSeen,
        EventKind::CookieMisconfigured,
    ] {
        (0..20).for_each(|_| node.events.emit(kind, Some(tag()), ""));
    }
    assert_eq!(node.kinds(), []);
}
