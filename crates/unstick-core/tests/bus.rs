//! What all buses share: bytes, numbers, and what a subscription concludes.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use unstick_core::{
    BusEvent, PublisherId,
    bus::{BUS_FORMAT, Beats, FRAME_HEAD, Frame, FrameKind, Heard, Listener, Order, Pace, Tracker},
};

const ME: PublisherId = PublisherId(1);
const ANN: PublisherId = PublisherId(2);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn listener(capacity: usize) -> Listener {
    Listener::new(ME, 9, Pace::default(), capacity, Duration::ZERO)
}

fn drain(listener: &mut Listener) -> Vec<BusEvent> {
    std::iter::from_fn(|| listener.pop()).collect()
}

fn frame(kind: FrameKind, payload: &'static str) -> Frame {
    Frame { publisher: PublisherId(0x0102_0304_0506_0708), incarnation: 9, kind, payload: Bytes::from_static(payload.as_bytes()) }
}

/// Every kind as released with format 1. These bytes never change: two releases share one bus during a deploy.
#[test]
fn golden_bytes() {
    let golden = [
        ("0101010203040506070800000000000000090000000000000003636172743a37", FrameKind::Notice { seq: 3 }, "cart:7"),
        ("0102010203040506070800000000000000090000000000000003", FrameKind::Beat { seq: 3 }, ""),
        ("010301020304050607080000000000000009ffffffffffffffff", FrameKind::Echo { nonce: u64::MAX }, ""),
        ("0104010203040506070800000000000000090000000000000000636172743a37", FrameKind::Unsequenced, "cart:7"),
        ("0105010203040506070800000000000000090000000000000000", FrameKind::Hello, ""),
    ];
    for (hex, kind, payload) in golden {
        let bytes = frame(kind, payload).encode();
        let text = bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        assert_eq!(text, hex);
        assert_eq!(Frame::decode(bytes).unwrap(), frame(kind, payload));
    }
    assert_eq!((BUS_FORMAT, FRAME_HEAD), (1, 26));
}

#[test]
fn a_later_format_is_a_gap_and_nothing_else() {
    let mut later = frame(FrameKind::Notice { seq: 1 }, "cart:7").encode().to_vec();
    later[0] = 2;
    let mut listener = listener(10);
    assert_eq!(listener.receive(later.into(), ms(1)), Heard::Nothing);
    assert_eq!(drain(&mut listener), [BusEvent::Gap]);
}

#[test]
fn a_new_publisher_is_counted_from_where_it_is_at_first_and_a_gap_later() {
    let pace = Pace::default();
    let mut tracker = Tracker::new(pace, 10, Duration::ZERO);
    assert_eq!(tracker.notice(ANN, 1, 7, pace.settling() - ms(1)), Order::Baseline);
    assert_eq!(tracker.notice(ANN, 1, 8, pace.settling()), Order::InOrder);
    assert_eq!(tracker.notice(PublisherId(3), 1, 7, pace.settling()), Order::Skipped);
    assert_eq!(tracker.notice(PublisherId(4), 1, 1, pace.settling()), Order::InOrder);
    assert_eq!(tracker.beat(PublisherId(5), 1, 0, pace.settling()), Order::InOrder);
    assert_eq!(tracker.beat(PublisherId(6), 1, 1, pace.settling()), Order::Skipped, "its first notice was lost");
}

#[test]
fn starting_over_is_a_gap_because_the_end_of_before_is_not_known() {
    let mut tracker = Tracker::new(Pace::default(), 10, Duration::ZERO);
    assert_eq!(tracker.notice(ANN, 1, 1, ms(0)), Order::InOrder);
    assert_eq!(tracker.notice(ANN, 2, 1, ms(1)), Order::Skipped);
    assert_eq!(tracker.notice(ANN, 2, 2, ms(2)), Order::InOrder);
    assert_eq!(tracker.notice(ANN, 1, 2, ms(3)), Order::Repeated, "late");
    assert_eq!(tracker.notice(ANN, 2, 3, ms(4)), Order::InOrder);
}

#[test]
fn the_silent_are_forgotten_for_room_and_come_back_with_a_gap() {
    let mut tracker = Tracker::new(Pace::default(), 2, Duration::ZERO);
    for (at, id) in [(0, 1), (1, 2), (2, 1), (3, 3)] {
        tracker.beat(PublisherId(id), 1, 0, ms(at));
    }
    assert_eq!(tracker.publishers(), 2);
    let late = Pace::default().settling();
    assert_eq!(tracker.notice(PublisherId(1), 1, 1, late), Order::InOrder, "still known");
    assert_eq!(tracker.notice(PublisherId(2), 1, 5, late), Order::Skipped, "forgotten");
}

#[test]
fn beats_grow_seldom_and_never_beyond_ten() {
    let mut beats = Beats::new(ANN, 1, Pace::default(), Duration::ZERO);
    assert!(beats.due(Duration::ZERO).is_some());
    assert_eq!(beats.wake_at(), ms(10_000), "nothing was said yet");
    drop(beats.notice(Bytes::new(), ms(500)));
    let mut waits = vec![];
    let mut now = ms(500);
    for _ in 0..6 {
        waits.push((beats.wake_at() - now).as_millis());
        now = beats.wake_at();
        assert!(beats.due(now - ms(1)).is_none());
        assert!(beats.due(now).is_some());
    }
    assert_eq!(waits, [1000, 2000, 4000, 8000, 10_000, 10_000]);
    beats.asked(now + ms(100));
    assert_eq!(beats.wake_at(), now + ms(1000), "not more than one per beat, however many ask");
    // a stream of notices does not put the beat off
    let due = beats.wake_at();
    for n in 0..100 {
        drop(beats.notice(Bytes::new(), now + ms(n * 10)));
    }
    assert_eq!(beats.wake_at(), due);
}

#[test]
fn an_echo_of_before_a_gap_keeps_alive_and_proves_nothing() {
    let mut listener = listener(10);
    let before = listener.echo(ms(0)).unwrap();
    listener.missed();
    listener.receive(before, ms(2900));
    assert_eq!(drain(&mut listener), [BusEvent::Gap]);
    listener.tick(ms(3100));
    assert!(!listener.has_news(), "it was a sign of life");
    let after = listener.echo(ms(3200)).unwrap();
    listener.receive(after, ms(3300));
    assert_eq!(drain(&mut listener), [BusEvent::Alive { as_of: ms(3200) }]);
}

#[test]
fn only_an_echo_that_was_sent_while_cut_restores() {
    let mut listener = listener(10);
    let before = listener.echo(ms(0)).unwrap();
    listener.lost();
    listener.lost();
    listener.receive(before, ms(100));
    listener.reconnected(ms(200));
    assert_eq!(drain(&mut listener), [BusEvent::Cut]);
    let probe = listener.echo(ms(200)).unwrap();
    listener.receive(probe.clone(), ms(300));
    listener.receive(probe, ms(300));
    assert_eq!(drain(&mut listener), [BusEvent::Gap, BusEvent::Restored]);
    let proof = listener.echo(ms(300)).unwrap();
    listener.receive(proof, ms(400));
    assert_eq!(drain(&mut listener), [BusEvent::Alive { as_of: ms(300) }]);
}

#[test]
fn a_probe_survives_the_ticks_while_it_is_under_way() {
    let mut listener = listener(10);
    listener.tick(ms(3000));
    let probe = listener.echo(ms(3000)).unwrap();
    for at in 3001..3500 {
        listener.tick(ms(at));
    }
    listener.receive(probe, ms(3500));
    assert_eq!(drain(&mut listener), [BusEvent::Cut, BusEvent::Gap, BusEvent::Restored]);
}

#[test]
fn own_notices_and_echoes_of_others_are_nothing() {
    let (mut listener, mut sibling) = (listener(10), Listener::new(ME, 1 << 40, Pace::default(), 10, Duration::ZERO));
    let mut own = Beats::new(ME, 1, Pace::default(), Duration::ZERO);
    listener.receive(own.notice(Bytes::new(), ms(1)), ms(1));
    listener.receive(own.unsequenced(Bytes::new()), ms(1));
    listener.echo(ms(1)).unwrap();
    listener.receive(sibling.echo(ms(1)).unwrap(), ms(2));
    assert_eq!(listener.receive(listener.hello(), ms(2)), Heard::Nothing);
    assert_eq!(drain(&mut listener), []);
    let other = Listener::new(ANN, 0, Pace::default(), 10, Duration::ZERO);
    assert_eq!(listener.receive(other.hello(), ms(2)), Heard::Hello);
}

#[test]
fn overflow_says_what_the_receiver_has_to_know_and_no_more() {
    let mut listener = listener(8);
    let mut ann = Beats::new(ANN, 1, Pace::default(), Duration::ZERO);
    for _ in 0..9 {
        listener.receive(ann.notice(Bytes::new(), ms(1)), ms(1));
    }
    assert_eq!(drain(&mut listener), [BusEvent::Gap]);
    listener.receive(ann.notice(Bytes::new(), ms(1)), ms(1));
    assert!(matches!(&drain(&mut listener)[..], [BusEvent::Notice(notice)] if notice.seq == Some(10)));
    // cut, and back, while nobody takes anything
    listener.lost();
    assert_eq!(listener.pop(), Some(BusEvent::Cut));
    let probe = listener.echo(ms(2000)).unwrap();
    listener.receive(probe, ms(2000));
    for _ in 0..9 {
        listener.receive(ann.notice(Bytes::new(), ms(1)), ms(2000));
    }
    assert_eq!(drain(&mut listener)[..2], [BusEvent::Gap, BusEvent::Restored]);
}

fn kind() -> impl Strategy<Value = FrameKind> {
    prop_oneof![
        (1..u64::MAX).prop_map(|seq| FrameKind::Notice { seq }),
        any::<u64>().prop_map(|seq| FrameKind::Beat { seq }),
        any::<u64>().prop_map(|nonce| FrameKind::Echo { nonce }),
        Just(FrameKind::Unsequenced),
        Just(FrameKind::Hello),
    ]
}

/// What happens to a subscription, in any order.
#[derive(Debug, Clone)]
enum Step {
    Publish,
    Beat,
    Deliver,
    Drop,
    Swap,
    Repeat,
    Garbage,
    Missed,
    Lost,
    Reconnected,
    Tick(u64),
    Echo,
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Publish),
        2 => Just(Step::Beat),
        8 => Just(Step::Deliver),
        1 => Just(Step::Drop),
        1 => Just(Step::Swap),
        1 => Just(Step::Repeat),
        1 => Just(Step::Garbage),
        1 => Just(Step::Missed),
        1 => Just(Step::Lost),
        1 => Just(Step::Reconnected),
        3 => (1..900_u64).prop_map(Step::Tick),
        4 => Just(Step::Echo),
        6 => Just(Step::Take),
    ]
}

proptest! {
    #[test]
    fn frames_survive_the_wire(publisher: u64, incarnation: u64, kind in kind(), payload in vec(any::<u8>(), 0..200)) {
        let carries = matches!(kind, FrameKind::Notice { .. } | FrameKind::Unsequenced);
        let payload = if carries { payload.into() } else { Bytes::new() };
        let frame = Frame { publisher: PublisherId(publisher), incarnation, kind, payload };
        prop_assert_eq!(Frame::decode(frame.encode()).unwrap(), frame);
    }

    #[test]
    fn garbage_never_panics(bytes in vec(any::<u8>(), 0..60)) {
        _ = Frame::decode(bytes.clone().into());
        listener(10).receive(bytes.into(), ms(1));
    }

    /// Against a model that remembers every number: after any order of numbers, a gap was told if one below the highest never came.
    #[test]
    fn a_missing_number_is_told(numbers in vec(1..12_u64, 1..40)) {
        let mut tracker = Tracker::new(Pace::default(), 4, Duration::ZERO);
        let mut told = false;
        let after = Pace::default().settling();
        for (n, number) in numbers.iter().enumerate() {
            let order = tracker.notice(ANN, 1, *number, after);
            told |= order == Order::Skipped;
            let seen = &numbers[..=n];
            let highest = *seen.iter().max().unwrap();
            let complete = (1..=highest).all(|number| seen.contains(&number));
            prop_assert!(told || complete, "silent about a missing number");
            prop_assert_eq!(order == Order::Repeated, numbers[..n].iter().any(|before| before >= number));
        }
    }

    /// Whatever happens: when `Alive` is told, every notice that reached the connection's other end before has been told, or a gap
    /// since; `Restored` comes after `Gap`; `Cut` and `Restored` take turns; the queue stays bounded.
    #[test]
    fn alive_is_honest(steps in vec(step(), 1..200), capacity in 8..20_usize, lossy: bool) {
        let mut now = Duration::ZERO;
        let mut ann = Beats::new(ANN, 1, Pace::default(), now);
        let mut listener = Listener::new(ME, 9, Pace::default(), capacity, now);
        listener.baseline(ANN, 1, 0, now);
        // wire: what the other end has taken, in order; the connection loses it only together with `Lost`
        let mut wire: Vec<Bytes> = vec![];
        let mut published: BTreeMap<u64, Duration> = BTreeMap::new();
        let mut covered: Vec<u64> = vec![]; // told as a notice
        let mut forgiven = 0; // a gap covers all numbers up to here
        let (mut cut, mut previous) = (false, None);
        for step in steps {
            match step {
                Step::Publish => {
                    wire.push(ann.notice(Bytes::new(), now));
                    published.insert(ann.last(), now);
                }
                Step::Beat => wire.extend(ann.due(now + Pace::default().slowest())),
                Step::Deliver if !wire.is_empty() => { listener.receive(wire.remove(0), now); }
                Step::Drop if lossy && !wire.is_empty() => { wire.remove(0); }
                Step::Swap if lossy && wire.len() > 1 => wire.swap(0, 1),
                Step::Repeat if !wire.is_empty() => { listener.receive(wire[0].clone(), now); }
                Step::Garbage => wire.push(Bytes::from_static(b"\x07 garbage")),
                Step::Missed => { wire.clear(); listener.missed(); }
                Step::Lost => { wire.clear(); listener.lost(); }
                Step::Reconnected => { wire.clear(); listener.reconnected(now); }
                Step::Tick(by) => { now += ms(by); listener.tick(now); }
                Step::Echo => wire.extend(listener.echo(now)),
                Step::Take => {
                    let Some(event) = listener.pop() else { continue };
                    match &event {
                        BusEvent::Notice(notice) => covered.extend(notice.seq),
                        BusEvent::Gap => forgiven = ann.last(),
                        BusEvent::Cut => { prop_assert!(!cut); cut = true; }
                        BusEvent::Restored => {
                            prop_assert!(cut && previous == Some(BusEvent::Gap), "after {previous:?}");
                            cut = false;
                        }
                        BusEvent::Alive { as_of } => {
                            prop_assert!(!cut && *as_of <= now);
                            let open = published.iter().find(|(number, at)| {
                                *at < as_of && **number > forgiven && !covered.contains(number)
                            });
                            // a notice that is lost or overtaken without a word shows at the next number only
                            prop_assert!(lossy || open.is_none(), "alive as of {as_of:?}, but {open:?} was not told");
                        }
                        _ => {}
                    }
                    previous = Some(event);
                }
                _ => {}
            }
        }
    }
}
