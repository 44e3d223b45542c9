use super::*;
use crate::journal::{Asks, Clicked, Mark, What};

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn record(shopper: usize, sent: u64, node: usize) -> Record {
    Record {
        shopper,
        asks: Asks::ForMe,
        sent: ms(sent),
        answered: ms(sent + 10),
        node: Some(node),
        turn: None,
        ended: Ended::Done,
        is_pinned: false,
        is_known: Some(true),
        is_stranger: false,
        is_order: false,
        cart: None,
        note: None,
    }
}

fn written(records: &[Record], marks: &[Mark]) -> Written {
    Written { records: records.into(), clicks: Vec::new(), marks: marks.into() }
}

fn mark(what: What, begun: u64, done: u64, about: &[usize], serving: &[usize]) -> Mark {
    Mark { what, begun: ms(begun), done: ms(done), about: about.into(), serving: serving.into(), epoch: None }
}

#[test]
fn percentiles_go_by_nearest_rank() {
    let all: Vec<Duration> = (1..=200).rev().map(ms).collect();
    assert_eq!((percentile(all.clone(), 50), percentile(all.clone(), 99), percentile(all, 100)), (ms(100), ms(198), ms(200)));
    assert_eq!(percentile(vec![ms(7)], 50), ms(7));
    assert_eq!(percentile(Vec::new(), 99), Duration::ZERO);
}

#[test]
fn what_is_lost_is_a_failure() {
    let paid = |cart| Record { is_order: true, cart, ..record(1, 0, 1) };
    let fine = Summary::of(&written(&[record(1, 0, 1), paid(Some(Cart::Whole))], &[]));
    assert!(!fine.has_lost());
    assert_eq!((fine.requests, fine.failed, fine.continuity, fine.orders, fine.orders_whole), (2, 0, 100.0, 1, 1));

    let logged_out = Record { is_known: Some(false), ..record(1, 0, 1) };
    let summary = Summary::of(&written(&[logged_out.clone(), record(1, 0, 1)], &[]));
    assert_eq!((summary.logouts, summary.continuity), (1, 50.0));
    for lost in [
        logged_out,
        paid(Some(Cart::Lost)),
        paid(Some(Cart::Grown)),
        // Nobody came as far as to be told anything of the cart.
        paid(None),
        Record { note: Some(Note { is_stale: true, is_hit: true }), ..record(1, 0, 1) },
        Record { is_stranger: true, ..record(1, 0, 1) },
        Record { ended: Ended::Failed, is_known: None, ..record(1, 0, 1) },
    ] {
        assert!(Summary::of(&written(&[record(1, 0, 1), lost.clone()], &[])).has_lost(), "{lost:?}");
    }
    let nothing = Summary::of(&Written::default());
    assert!(!nothing.has_lost() && nothing.continuity == 100.0 && nothing.worst_percent().is_none());
}

#[test]
fn a_request_may_fail_only_with_its_node() {
    let failed = |sent, node| Record { ended: Ended::Failed, is_known: None, node, ..record(1, sent, 1) };
    let kill = mark(What::Killed, 1000, 1005, &[1, 2], &[3]);
    let of = |record: Record| {
        let summary = Summary::of(&written(&[record], &[mark(What::Opened, 0, 0, &[1, 2, 3], &[1, 2, 3]), kill.clone()]));
        assert_eq!(summary.failed, 1);
        (summary.failed_in_kills, summary.failed_otherwise)
    };
    assert_eq!(of(failed(995, Some(1))), (1, 0));
    assert_eq!(of(failed(3000, Some(2))), (1, 0), "whoever finds out late");
    assert_eq!(of(failed(980, Some(1))), (0, 1), "before");
    assert_eq!(of(failed(1000, Some(3))), (0, 1), "elsewhere");
    assert_eq!((of(failed(995, None)), of(failed(1004, None))), ((1, 0), (1, 0)), "under way, and nobody says where");
    assert_eq!((of(failed(980, None)), of(failed(1006, None))), ((0, 1), (0, 1)));
}

#[test]
fn a_click_takes_until_it_is_answered_or_given_up() {
    let click = |due, begun, over| Clicked { due: ms(due), begun: ms(begun), over: ms(over) };
    let records = [record(1, 0, 1), Record { ended: Ended::Failed, ..record(1, 5000, 1) }];
    let clicks = vec![click(0, 0, 10), click(100, 5000, 9100)];
    let all = Written { records: records.into(), clicks, marks: Vec::new() };
    let summary = Summary::of(&all);
    assert_eq!((summary.p50_ms, summary.p99_ms, summary.late_p99_ms), (10.0, 9000.0, 4900.0));
    let seconds = series(&all);
    assert_eq!((seconds[0].p99_ms, seconds[1].p99_ms, seconds[5].p99_ms), (Some(10.0), None, Some(9000.0)));
}

#[test]
fn only_full_windows_between_changes_say_how_even_the_load_is() {
    let serving = [1, 2, 3, 4];
    let mut marks = vec![mark(What::Opened, 0, 0, &[1, 2], &[1, 2]), mark(What::Scaled, 900, 1000, &[3, 4], &serving)];
    marks[1].epoch = Some(2);
    // Before, and while nodes are added: on the old ones alone.
    let mut records: Vec<Record> = (0..100).map(|index| record(1, index * 10, 1)).collect();
    // One full window, in turn; and the begin of another one, all on one node.
    records.extend((0..80).map(|index| record(1, 1000 + index, serving[usize::try_from(index).unwrap() % 4])));
    records.extend((0..79).map(|index| record(1, 2000 + index, 1)));
    for (turn, record) in (0..).zip(&mut records[100..]) {
        record.turn = Some((2, turn));
    }
    let of = |records: &[Record], marks: &[Mark]| Summary::of(&written(records, marks));
    let after = of(&records, &marks).evenness.remove(0);
    assert_eq!((after.nodes, after.windows, after.worst_percent), (4, 1, Some(0.0)));
    let mut last = record(1, 2079, 1);
    last.turn = Some((2, 159));
    records.push(last);
    let summary = of(&records, &marks);
    assert_eq!((summary.evenness[0].windows, summary.worst_percent()), (2, Some(300.0)));
    assert_eq!(summary.newcomers_percent(), Some(50.0));
    marks.push(mark(What::Killed, 1500, 1500, &[1], &[2, 3, 4]));
    let summary = of(&records, &marks);
    assert_eq!((summary.evenness[0].windows, summary.worst_percent(), summary.newcomers_percent()), (1, Some(0.0), Some(100.0)));
    // Without the balancer's count all requests in between are one window, if they are enough for one.
    marks[1].epoch = None;
    marks.pop();
    let after = of(&records, &marks).evenness.remove(0);
    assert_eq!((after.requests, after.windows, after.worst_percent), (160, 1, Some(150.0)));
    assert_eq!(of(&records[..179], &marks).worst_percent(), None);
}

#[test]
fn the_balancers_count_goes_before_the_clock() {
    let mut scaled = mark(What::Scaled, 0, 0, &[2], &[1, 2]);
    scaled.epoch = Some(7);
    // Sent in any order, and two that were given to a node before the change.
    let mut records: Vec<Record> = (0..40).map(|index| record(1, 100 - index, usize::try_from(index).unwrap() % 2 + 1)).collect();
    for (turn, record) in (0..).zip(&mut records) {
        record.turn = Some((7, turn));
    }
    for turn in [98, 99] {
        let mut before = record(1, 50, 1);
        before.turn = Some((6, turn));
        records.push(before);
    }
    let after = evenness::after_each_scale_out(&records, &[scaled]).remove(0);
    assert_eq!((after.requests, after.windows, after.worst_percent), (40, 1, Some(0.0)));
}

#[test]
fn recovery_is_felt_by_those_who_were_there() {
    let kill = mark(What::Killed, 1000, 1001, &[1], &[2]);
    let mut broken = record(1, 995, 1);
    (broken.answered, broken.ended, broken.is_known) = (ms(1040), Ended::Failed, None);
    let mut stranger = record(2, 1500, 2);
    stranger.is_known = Some(false);
    let records = vec![
        record(1, 100, 1),
        broken,
        Record { asks: Asks::ForANote, is_known: None, ..record(1, 1050, 2) },
        record(1, 2000, 2), // known again
        record(5, 100, 1),
        // A note says nothing of the session, and does not begin the wait for it.
        Record { asks: Asks::ForANote, is_known: None, ..record(5, 1100, 2) },
        record(5, 9000, 2),
        record(2, 100, 1),
        stranger,
        record(2, 1600, 2),
        record(3, 100, 2), // was elsewhere
        record(3, 1100, 2),
        record(4, 100, 1), // had left
    ];
    let recovery = recovery::after_each_kill(&records, &[kill]).remove(0);
    assert_eq!((recovery.people, recovery.recovered, recovery.logged_out, recovery.longest_ms), (3, 2, 1, Some(1010.0)));
}

#[test]
fn every_second_is_there() {
    let mut lost = record(1, 2500, 3);
    (lost.cart, lost.is_pinned) = (Some(Cart::Lost), true);
    let seconds = series(&written(&[record(1, 100, 1), record(2, 200, 1), lost], &[]));
    assert_eq!(seconds.len(), 3);
    assert_eq!((seconds[0].by_node[&1], seconds[0].pinned_percent, seconds[0].carts_lost), (2, Some(0.0), 0));
    assert_eq!((seconds[1].requests, seconds[1].continuity), (0, None));
    assert_eq!((seconds[2].carts_lost, seconds[2].pinned_percent, seconds[2].p50_ms), (1, Some(100.0), None));
    assert_eq!(series(&Written::default()), Vec::new());
}
