//! The contract of a store holds in each step, and over nodes of both, but for what two stores cannot do as one.

use unstick::store::migrate::Step::{self, Move, PreferOld};
use unstick_testkit::contract;

use crate::nodes::Nodes;

/// An administrative end leaves a tombstone in each store, and sweeps count both.
const COUNTED_TWICE: &str = "sweeping::sweep_is_bounded";

/// Nodes of different steps create in different stores. Keys are random: no two nodes create the same one.
const CREATED_TWICE: &str = "basics::parallel_creates_have_one_winner";

fn holds(nodes: &Nodes, but_for: &[&str]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = runtime.block_on(contract::run_all(nodes));
    let failed: Vec<&str> = report.failed().map(|(case, _)| case).filter(|case| !but_for.contains(case)).collect();
    assert!(failed.is_empty(), "{failed:?}\n{report}");
}

fn eager(first: Step, second: Step) -> Nodes {
    Nodes::eager(first, second)
}

#[test]
fn in_the_first_step() {
    holds(&eager(PreferOld, PreferOld), &[COUNTED_TWICE]);
}

#[test]
fn in_the_second_step() {
    holds(&eager(Move, Move).in_time(), &[COUNTED_TWICE]);
}

#[test]
fn over_nodes_of_both_steps() {
    holds(&eager(PreferOld, Move), &[COUNTED_TWICE, CREATED_TWICE]);
    holds(&eager(PreferOld, Move).in_time(), &[COUNTED_TWICE, CREATED_TWICE]);
    holds(&eager(Move, PreferOld), &[COUNTED_TWICE, CREATED_TWICE]);
}

#[test]
fn with_a_quiet_time() {
    let nodes = Nodes { quiet: std::time::Duration::from_secs(60), ..eager(PreferOld, Move) };
    holds(&nodes, &[COUNTED_TWICE, CREATED_TWICE]);
}
