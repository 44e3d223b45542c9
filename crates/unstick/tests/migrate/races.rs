//! A thousand seeded schedules in each step and over nodes of both.

use unstick::store::migrate::Step::{Move, PreferOld};
use unstick_testkit::races;

use crate::nodes::Nodes;

#[test]
fn a_thousand_schedules_in_the_first_step() {
    races::run_seeded(&Nodes::eager(PreferOld, PreferOld), 1000);
}

#[test]
fn a_thousand_schedules_in_the_second_step() {
    races::run_seeded(&Nodes::eager(Move, Move).in_time(), 1000);
}

#[test]
fn a_thousand_schedules_of_sessions_that_move() {
    races::run_seeded(&Nodes::eager(PreferOld, Move), 1000);
}

#[test]
fn a_thousand_schedules_of_sessions_that_move_while_time_does() {
    races::run_seeded(&Nodes::eager(PreferOld, Move).in_time(), 1000);
}

#[test]
fn a_thousand_schedules_of_sessions_that_begin_in_the_new_store() {
    races::run_seeded(&Nodes::eager(Move, PreferOld).in_time(), 1000);
}
