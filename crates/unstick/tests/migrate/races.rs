//! A thousand seeded schedules in each step and over nodes of both.

use unstick::{
    core::EventKind,
    store::migrate::Step::{Move, PreferOld},
};
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

/// Sessions are created by one node and moved by the other; the first one meets them wherever they are.
fn moved(nodes: &Nodes) {
    races::run_seeded(nodes, 1000);
    let (moved, schedules) = (nodes.log.count(EventKind::SessionMoved), std::env::var("UNSTICK_SCHEDULES"));
    assert!(moved > 300 || schedules.is_ok(), "only {moved} of 2000 sessions moved");
}

#[test]
fn a_thousand_schedules_of_sessions_that_move() {
    moved(&Nodes::eager(PreferOld, Move));
}

#[test]
fn a_thousand_schedules_of_sessions_that_move_while_time_does() {
    moved(&Nodes::eager(PreferOld, Move).in_time());
}

#[test]
fn a_thousand_schedules_of_sessions_that_begin_in_the_new_store() {
    races::run_seeded(&Nodes::eager(Move, PreferOld).in_time(), 1000);
}
