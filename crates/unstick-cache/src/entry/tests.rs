use proptest::prelude::*;

use super::*;
use crate::{error::LoadErrorKind, generations::Generations};

const CLAMP: Nanos = 1000;

fn entry(read_at: Nanos, fresh_until: Nanos, kept_until: Nanos, throttled_until: Nanos) -> Entry<u32> {
    let key = Generations::new(16, 16).key(1);
    let mut entry = Entry::new(Content::Value(1), 0, read_at, key, &[]).until(fresh_until, kept_until).took(100);
    entry.throttle(throttled_until);
    entry
}

/// As a table: what the documentation says.
fn expected(entry: &Entry<u32>, now: Nanos, trust: Trust) -> Freshness {
    let is_trusted = now < trust.current_until || now - entry.read_at <= trust.clamp;
    let may_stand_in = entry.kept_until > entry.fresh_until && now < entry.kept_until;
    match (now < entry.fresh_until && is_trusted, may_stand_in, now < entry.rare.as_ref().unwrap().throttled_until) {
        (true, _, _) => Freshness::Fresh,
        (false, false, _) => Freshness::Dead,
        (false, true, true) => Freshness::Throttled,
        (false, true, false) => Freshness::Stale,
    }
}

#[test]
fn a_value_is_invalidated_by_its_key_and_each_of_its_tags_however_many() {
    let generations = Generations::new(16, 16);
    for count in 0..8 {
        let tags: Vec<_> = (0..count).map(|tag| generations.tag(tag)).collect();
        let entry = Entry::new(Content::Value(1), 0, 0, generations.key(1), &tags);
        assert_eq!(entry.tags().len() as u64, count);
        let is_valid = |start| generations.is_valid(start, entry.key, entry.tags());
        for tag in 0..count {
            let start = generations.now();
            assert!(is_valid(start));
            generations.invalidate_tag(generations.tag(8));
            generations.invalidate_key(generations.key(2));
            assert!(is_valid(start), "others");
            generations.invalidate_tag(generations.tag(tag));
            assert!(!is_valid(start));
        }
        let start = generations.now();
        generations.invalidate_key(generations.key(1));
        assert!(!is_valid(start));
    }
}

proptest! {
    #[test]
    fn an_entry_is_judged_by_its_times_and_the_trust(
        read_at in 0_u64..5000, fresh in 0_u64..5000, stale in prop_oneof![Just(0), 0_u64..5000], throttled in 0_u64..20_000,
        later in 0_u64..10_000, current_until in prop_oneof![Just(0), Just(u64::MAX), 0_u64..20_000],
    ) {
        let entry = entry(read_at, read_at + fresh, read_at + fresh + stale, throttled);
        let trust = Trust { current_until, clamp: CLAMP };
        let now = read_at + later;
        let judged = entry.judge(now, trust, 0.0, || unreachable!("off"));
        prop_assert_eq!(judged, expected(&entry, now, trust));
        if judged == Freshness::Fresh {
            prop_assert!(later < fresh && (now < current_until || later <= CLAMP));
        }
        // refreshing early changes nothing but that
        let early = entry.judge(now, trust, 1.0, || 0);
        prop_assert!(early == judged || (early, judged) == (Freshness::RefreshDue, Freshness::Fresh));
        prop_assert!(early != Freshness::RefreshDue || now >= throttled);
    }

    #[test]
    fn an_error_is_kept_whether_notices_arrive_or_not(back_off in 1_u64..10_000, later in 0_u64..20_000) {
        let mut entry = entry(0, back_off, back_off, 0);
        entry.content = Content::Failed(Box::new(LoadError::new(LoadErrorKind::Timeout)));
        let judged = entry.judge(later, Trust { current_until: 0, clamp: 0 }, 1.0, || u64::MAX);
        prop_assert_eq!(judged, if later < back_off { Freshness::Fresh } else { Freshness::Dead });
    }

    #[test]
    fn a_lifetime_is_shortened_by_no_more_than_the_jitter(millis in 0_u64..100_000_000, jitter in 0.0..1.0_f64, dice: u64) {
        let time = Duration::from_millis(millis);
        let jittered = jittered(time, jitter, dice);
        prop_assert!(jittered <= time);
        prop_assert!(jittered + Duration::from_micros(1) >= time.mul_f64(1.0 - jitter), "{:?}", jittered);
        prop_assert_eq!(super::jittered(time, 0.0, dice), time);
    }

    #[test]
    fn what_is_far_from_its_end_takes_no_dice(took in 0_u64..1_000_000, more in 1_u64..1_000_000) {
        let left = took * 15 + more;
        prop_assert!(!is_refresh_due(left, took, 1.0, || unreachable!("too far")));
    }
}

/// The chance of a refresh is e^(-left / (took * beta)).
#[test]
fn refreshes_come_with_the_chance_of_the_paper() {
    let mut seed = 1;
    for (left, beta, chance) in [(0, 1.0, 1.0), (100, 1.0, 0.3679), (200, 1.0, 0.1353), (500, 1.0, 0.0067), (100, 2.0, 0.6065)] {
        let mut due = 0_u32;
        for _ in 0..100_000 {
            seed = mix(seed);
            due += u32::from(is_refresh_due(left, 100, beta, || seed));
        }
        let share = f64::from(due) / 100_000.0;
        assert!((share - chance).abs() < 0.01, "{left} left, beta {beta}: {share} instead of {chance}");
    }
}

#[test]
fn a_lifetime_without_end_can_be_shortened_too() {
    assert_eq!(jittered(Duration::MAX, 0.0, 7), Duration::MAX);
    let shortened = jittered(Duration::MAX, 0.5, u64::MAX);
    assert!(shortened > Duration::MAX / 3 && shortened < Duration::MAX / 3 * 2, "{shortened:?}");
}

#[test]
fn the_dice_at_its_ends_does_no_harm() {
    assert!(!is_refresh_due(1, 100, 1.0, || u64::MAX), "the logarithm of one");
    assert!(is_refresh_due(1300, 100, 1.0, || 0), "and of nearly nothing");
    assert!(!is_refresh_due(1, 0, 1.0, || 0), "what took no time");
}
