//! A thousand seeded schedules over two nodes of a pair, with and without a witness.

mod common;

use common::{Files, Pairs, Trios};
use unstick_testkit::races;

#[test]
fn a_thousand_schedules_over_two() {
    races::run_seeded(&Pairs, 1000);
}

#[test]
fn a_thousand_schedules_with_a_witness() {
    races::run_seeded(&Trios, 1000);
}

#[test]
fn a_hundred_schedules_over_two_files() {
    races::run_seeded(&Files::default(), 100);
}
