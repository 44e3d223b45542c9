//! Histories made by hand, sound ones and such that must be rejected.

use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// On node 0 by client 1, acknowledged at 100 ms times the version.
fn write(version: u64) -> Write {
    let settled = at(100 * version);
    Write { client: 1, key: 7, node: 0, version, sent: settled - at(50), settled, received: settled + at(10) }
}

fn read(client: u64, node: usize, version: u64, sent: u64) -> Read {
    Read { client, key: 7, node, version, sent: at(sent), received: at(sent + 5) }
}

fn judged(writes: &[Write], reads: &[Read], rules: &Rules) -> Verdict {
    let mut ledger = Ledger::default();
    writes.iter().for_each(|write| ledger.wrote(*write));
    reads.iter().for_each(|read| ledger.read(*read));
    ledger.judge(rules)
}

#[test]
fn the_writer_sees_its_write_or_a_newer_one_from_the_answer_on() {
    let rules = Rules::new(SECOND);
    let writes = [write(1), Write { client: 2, ..write(2) }];
    // sent before the answer was there; and after, at any node
    let sound = [read(1, 1, 0, 109), read(1, 1, 1, 110), read(1, 2, 2, 210), read(1, 2, 1, 250)];
    let verdict = judged(&writes, &sound, &rules);
    assert!(verdict.is_sound(), "{verdict}");
    assert_eq!((verdict.after_own, verdict.late), (3, 2));
    for stale in [read(1, 1, 0, 110), read(1, 2, 0, 111), read(1, 1, 0, 5000)] {
        let verdict = judged(&writes, &[stale], &Rules::new(60 * SECOND));
        assert_eq!(verdict.own, [(stale, 1)]);
        assert!(!verdict.is_sound() && verdict.to_string().contains("1 of 1 stale to the writer"));
    }
    assert!(judged(&writes, &[read(3, 1, 0, 110)], &rules).is_sound(), "another client");
}

#[test]
fn answers_that_overtake_each_other_do_not_lower_what_a_client_has_seen() {
    // the older write's answer comes last
    let writes = [Write { received: at(500), ..write(1) }, write(2)];
    let verdict = judged(&writes, &[read(1, 1, 1, 600)], &Rules::new(SECOND));
    assert_eq!(verdict.own, [(read(1, 1, 1, 600), 2)]);
    assert!(judged(&writes, &[read(1, 1, 2, 600)], &Rules::new(SECOND)).is_sound());
}

#[test]
fn the_node_that_invalidated_is_never_late() {
    let rules = Rules::new(60 * SECOND);
    assert_eq!(judged(&[write(1)], &[read(9, 0, 0, 101)], &rules).here.len(), 1);
    assert!(judged(&[write(1)], &[read(9, 0, 0, 99)], &rules).is_sound(), "before it has returned");
    assert!(judged(&[write(1)], &[read(9, 1, 0, 101)], &rules).is_sound(), "another node");
}

#[test]
fn others_are_late_by_the_bound_at_most() {
    let rules = Rules::new(SECOND);
    let verdict = judged(&[write(1)], &[read(9, 1, 0, 1100)], &rules);
    assert!(verdict.is_sound());
    assert_eq!((verdict.late, verdict.longest), (1, SECOND));
    let verdict = judged(&[write(1)], &[read(9, 1, 0, 1101)], &rules);
    assert_eq!(verdict.others, [(read(9, 1, 0, 1101), at(1001))]);
}

#[test]
fn lateness_counts_from_the_first_newer_version_that_was_settled() {
    // the second is settled before the first: whoever still has none is late since then
    let writes = [Write { settled: at(900), received: at(910), ..write(1) }, write(2)];
    assert_eq!(judged(&writes, &[read(9, 1, 0, 1300)], &Rules::new(SECOND)).others[0].1, at(1100));
    // and the first is superseded since the second was
    assert_eq!(judged(&writes, &[read(9, 1, 1, 1300)], &Rules::new(SECOND)).others[0].1, at(1100));
}

#[test]
fn a_shorter_bound_holds_for_requests_within_its_time_on_its_node() {
    let rules = Rules::new(3 * SECOND).within(1, at(500), at(2000), SECOND);
    let verdict = judged(&[write(1)], &[read(9, 1, 0, 1200)], &rules);
    assert_eq!((verdict.others.len(), verdict.longest_within), (1, at(1100)));
    assert!(judged(&[write(1)], &[read(9, 2, 0, 1200)], &rules).is_sound(), "another node");
    assert!(judged(&[write(1)], &[read(9, 1, 0, 1998)], &rules).is_sound(), "answered after it");
    assert!(judged(&[write(1)], &[read(9, 1, 0, 2500)], &rules).is_sound());
    assert!(!judged(&[write(1)], &[read(9, 1, 0, 3200)], &rules).is_sound());
}

#[test]
fn nothing_comes_from_nowhere() {
    let rules = Rules::new(SECOND);
    assert_eq!(judged(&[write(1)], &[read(9, 1, 2, 150)], &rules).invented.len(), 1, "never written");
    assert_eq!(judged(&[write(1)], &[read(9, 1, 1, 40)], &rules).invented.len(), 1, "not yet sent");
    assert!(judged(&[write(1)], &[read(9, 1, 1, 46)], &rules).is_sound(), "on its way");
    assert_eq!(judged(&[write(1), write(1)], &[], &rules).doubled, 1);
}

#[test]
fn a_write_without_an_answer_may_turn_up_once() {
    let mut ledger = Ledger::default();
    assert!(ledger.is_certain(7));
    ledger.wrote_perhaps(7);
    assert!(!ledger.is_certain(7));
    ledger.read(read(9, 1, 1, 100));
    ledger.read(read(9, 2, 1, 200));
    assert!(ledger.judge(&Rules::new(SECOND)).is_sound());
    ledger.read(read(9, 1, 2, 300));
    assert_eq!(ledger.judge(&Rules::new(SECOND)).invented.len(), 1);
}

#[test]
fn keys_are_told_apart_and_ledgers_add_up() {
    let mut ledger = Ledger::default();
    ledger.wrote(write(1));
    let mut other = Ledger::default();
    other.read(Read { key: 8, ..read(1, 1, 0, 500) });
    ledger.append(other);
    let verdict = ledger.judge(&Rules::new(at(1)));
    assert!(verdict.is_sound());
    assert_eq!((verdict.reads, verdict.writes, verdict.after_own), (1, 1, 0));
}
