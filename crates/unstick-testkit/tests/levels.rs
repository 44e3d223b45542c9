//! Every defect of a level is caught by the case that is there for it, and the correct level passes.

use unstick_testkit::level::{self, BrokenLevels, LevelDefect};

mod correct_level {
    use super::*;
    unstick_testkit::level_suite!(BrokenLevels::new(LevelDefect::None));
}

/// The case that must catch a defect: not any failure will do.
fn caught_by(defect: LevelDefect) -> &'static str {
    match defect {
        LevelDefect::UpsertFill => "keys::invalidation_during_a_load_wins",
        LevelDefect::TagsUnchecked => "tags::tag_invalidated_during_a_load",
        LevelDefect::AbsentTagValid => "tags::tag_nobody_knew_invalidated_during_a_load",
        LevelDefect::TagsUnread => "tags::invalidated_tag_takes_its_values",
        LevelDefect::KeepsLease => "keys::invalidation_takes_the_lease_away",
        LevelDefect::SchemasShared => "schemas::values_side_by_side",
        LevelDefect::OneSchemaInvalidated => "schemas::invalidation_reaches_all_schemas",
        LevelDefect::LeaseForAll => "leases::one_holder_per_key",
        LevelDefect::LeaseCheckThenAct => "concurrency::two_hundred_callers_get_one_lease",
        LevelDefect::ExtendForAll => "leases::only_the_holder_extends",
        LevelDefect::ReleaseForAll => "leases::only_the_holder_releases",
        LevelDefect::LeaseNeverEnds => "leases::lease_runs_out",
        LevelDefect::ExtendForgetsWaiting => "leases::extending_keeps_who_waits",
        LevelDefect::FillKeepsLease => "leases::fill_gives_the_lease_back",
        LevelDefect::RefusedKeepsLease => "leases::refused_fill_gives_the_lease_back",
        LevelDefect::AlwaysAwaited | LevelDefect::NeverAwaited => "leases::awaited_when_somebody_was_told_to_wait",
        LevelDefect::StaleInvalidated => "tags::tag_of_a_kept_value",
        LevelDefect::KeptForEver => "reading::kept_value_goes",
        LevelDefect::IgnoresMoreThan => "reading::value_that_is_fresh_for_too_short",
        LevelDefect::NotIdempotent => "repeats::repeated_key_spares_what_came_after",
        LevelDefect::OneOperationOneTarget => "repeats::one_operation_on_many_targets",
        LevelDefect::EpochStays => "everything::loads_under_way_fill_nothing",
        LevelDefect::TrimsKeys => "values::odd_keys_are_distinct",
        other => panic!("{other:?} has no case that catches it"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_defect_is_caught_by_its_case() {
    for defect in LevelDefect::ALL {
        let report = level::run_all(&BrokenLevels::new(*defect)).await;
        let failed: Vec<&str> = report.failed().map(|(case, _)| case).collect();
        assert!(failed.contains(&caught_by(*defect)), "{defect:?} was not caught by {}, but by {failed:?}", caught_by(*defect));
        assert!(failed.len() < report.len() / 2, "{defect:?} breaks more than it should: {report}");
    }
}
