//! No stale value survives, whatever happens while it is being loaded: ten thousand schedules of each family, and more with
//! `UNSTICK_SCHEDULES`. That the families catch broken caches, plain moka among them, is shown in the testkit's own tests.

mod subject;

use unstick_testkit::schedules::{Counts, Family, assert_sound, run};

use self::subject::Engine;

fn sound(family: Family) -> Counts {
    let counts = assert_sound(&Engine, family);
    assert!(counts.refused > 0, "{counts:?}");
    counts
}

#[test]
fn a_key_is_invalidated_during_a_load() {
    sound(Family::Key);
}

#[test]
fn a_tag_is() {
    sound(Family::Tag);
}

#[test]
fn a_tag_is_that_only_the_value_tells() {
    sound(Family::ValueTag);
}

#[test]
fn everything_is() {
    sound(Family::Clear);
}

#[test]
fn an_early_refresh_is_under_way() {
    sound(Family::EarlyRefresh);
}

#[test]
fn a_load_goes_on_that_nobody_waits_for() {
    sound(Family::TimedOut);
}

#[test]
fn another_node_s_notice_comes_in() {
    sound(Family::Remote);
}

#[test]
fn another_node_holds_the_lease() {
    sound(Family::Lease);
}

#[test]
fn notices_get_lost() {
    sound(Family::Gap);
}

/// Nothing in the cache is left to chance or to a clock of its own, so that a seed that fails fails again.
#[test]
fn a_seed_repeats_its_schedule() {
    for family in Family::ALL {
        assert_eq!(run(&Engine, family, 0..100), run(&Engine, family, 0..100), "{family}");
    }
}
