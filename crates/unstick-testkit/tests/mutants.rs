//! Every defect is caught by the contract suite, and the correct store is not.

use unstick_testkit::{
    contract,
    mutants::{BrokenStores, Defect},
    races,
};

mod correct_store {
    use super::*;
    unstick_testkit::contract_suite!(BrokenStores(Defect::None));
}

/// The case that must catch a defect: not any failure will do.
fn caught_by(defect: Defect) -> &'static str {
    match defect {
        Defect::UpsertOnApply => "basics::apply_never_creates",
        Defect::AdoptsOnLoad => "basics::unknown_session_is_missing",
        Defect::NoTombstone => "endings::end_leaves_a_tombstone",
        Defect::LastWriterWins => "concurrency::writers_of_different_fields_all_survive",
        Defect::IgnoresDeadline => "lateness::late_apply",
        Defect::NotIdempotent => "repeats::repeated_apply",
        Defect::RevivesExpired => "expiry::idle_deadline_is_exact",
        Defect::RenewalMovesBack => "expiry::renewal_never_moves_back",
        Defect::AbsoluteMoves => "expiry::renewal_never_passes_absolute",
        Defect::GraceNeverEnds => "rotation::grace_is_exact",
        Defect::PromoteKeepsOld => "rotation::promotion_has_no_grace",
        Defect::GraceRotates => "rotation::id_in_grace_neither_rotates_nor_promotes",
        Defect::SupersededEnds => "endings::superseded_id_cannot_end",
        Defect::IgnoresPreconditions => "fields::precondition_version",
        Defect::SweepsTombstones => "sweeping::sweep_spares_what_serves",
        Defect::UnboundedSweep => "sweeping::sweep_is_bounded",
        Defect::CreateOverwrites => "basics::create_never_overwrites",
        Defect::ReserveCheckThenAct => "principals::reserve_is_atomic",
        Defect::EndOthersForgetsReserved => "principals::ends_reserved_sessions",
        Defect::AtHandUnjudged => "at_hand::judges_at_the_time_it_is_given",
        other => panic!("{other:?} has no case that catches it"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_defect_is_caught_by_its_case() {
    for defect in Defect::ALL {
        let report = contract::run_all(&BrokenStores(*defect)).await;
        let failed: Vec<&str> = report.failed().map(|(case, _)| case).collect();
        assert!(failed.contains(&caught_by(*defect)), "{defect:?} was not caught by {}, but by {failed:?}", caught_by(*defect));
        assert!(failed.len() < report.len() / 2, "{defect:?} breaks more than it should: {report}");
    }
}

#[test]
fn correct_store_passes_the_races() {
    races::run_seeded(&BrokenStores(Defect::None), 1000);
}

/// The races find, by chance alone, what concerns the life and death of a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_catch_what_revives_or_loses() {
    let defects = [
        Defect::NoTombstone,
        Defect::LastWriterWins,
        Defect::IgnoresDeadline,
        Defect::NotIdempotent,
        Defect::RevivesExpired,
        Defect::GraceNeverEnds,
        Defect::PromoteKeepsOld,
        Defect::GraceRotates,
        Defect::SupersededEnds,
        Defect::SweepsTombstones,
        Defect::AtHandUnjudged,
    ];
    for defect in defects {
        let outcome = races::run(&BrokenStores(defect), 1, 1000).await;
        assert!(outcome.is_err(), "{defect:?} passed 1000 schedules: {outcome:?}");
    }
}
