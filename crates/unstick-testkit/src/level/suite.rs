//! The list of all cases, and what runs them.

use std::future::Future;

use super::{LevelBench, LevelFactory};
use crate::contract::{Outcome, Report, run};

/// The one list of cases; `$then` is a macro that makes something of it.
#[doc(hidden)]
#[macro_export]
macro_rules! __level_cases {
    ($then:ident ! $args:tt) => {
        $crate::$then! { $args
            reading {
                empty_level_has_nothing, filled_value_is_found_by_all, read_takes_no_lease, what_is_kept_outlives_what_is_fresh,
                kept_value_goes, value_that_is_fresh_for_too_short, stale_value_comes_with_the_lease, stale_value_comes_to_those_who_wait,
                fill_replaces,
            }
            leases {
                one_holder_per_key, keys_have_leases_of_their_own, lease_runs_out, extended_lease_is_held_longer,
                only_the_holder_extends, released_lease_is_free, only_the_holder_releases, fill_gives_the_lease_back,
                refused_fill_gives_the_lease_back, lease_that_ran_out_fills_nothing, lease_that_another_took_fills_nothing,
                a_lease_fills_once, no_lease_fills_nothing, awaited_when_somebody_was_told_to_wait, nobody_awaits_by_reading,
                extending_keeps_who_waits, waiting_is_told_by_release, next_holder_is_not_awaited,
            }
            keys {
                invalidated_key_is_gone, other_keys_stay, invalidation_during_a_load_wins, invalidation_during_a_refresh_wins,
                invalidation_takes_the_lease_away, invalidated_lease_cannot_be_extended, voided_holder_frees_nobody,
                load_after_the_invalidation_fills, unknown_key_can_be_invalidated,
            }
            schemas {
                values_side_by_side, leases_side_by_side, invalidation_reaches_all_schemas, invalidation_reaches_loads_of_all_schemas,
                tag_reaches_all_schemas,
            }
            tags {
                invalidated_tag_takes_its_values, other_tags_stay, one_of_many_is_enough, tag_invalidated_during_a_load,
                tag_nobody_knew_invalidated_during_a_load, one_of_many_invalidated_during_a_load, tag_of_a_kept_value,
                tags_are_those_of_the_last_value, other_tags_refuse_nothing, load_after_the_invalidation_fills,
                tag_shared_by_many_keys, a_key_is_no_tag,
            }
            everything {
                everything_goes, loads_under_way_fill_nothing, epoch_changes, leases_are_void, kept_values_go,
                load_after_it_fills, tags_work_on,
            }
            repeats {
                repeated_key_spares_what_came_after, repeated_key_spares_a_lease, repeated_tag_spares_what_came_after,
                repeated_tag_spares_a_load, repeated_everything_spares_what_came_after, another_invalidation_is_no_repetition,
                repetition_by_another_node, one_operation_on_many_targets,
            }
            values {
                odd_keys_are_distinct, odd_tags_are_distinct, any_bytes_are_kept, one_megabyte, no_bytes_at_all, a_hundred_tags,
                far_ends_are_kept,
            }
            concurrency {
                two_hundred_callers_get_one_lease, no_reader_sees_what_was_invalidated_by_key, no_reader_sees_what_was_invalidated_by_tag,
                no_reader_sees_what_was_invalidated_with_everything,
            }
            model { seeded_operations, }
        }
    };
}

/// One `#[test]` per case of the level contract, for the levels that the given factory opens.
///
/// The argument is an expression that makes a [`LevelFactory`]; it is evaluated once per case.
#[macro_export]
macro_rules! level_suite {
    ($factory:expr) => {
        $crate::__level_cases! { __level_tests ! ($factory) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __level_tests {
    (($factory:expr) $( $module:ident { $($case:ident,)* } )*) => {
        $(
            mod $module {
                #[allow(unused_imports, reason = "the factory expression may name anything in scope outside")]
                use super::*;
                $(
                    #[test]
                    fn $case() {
                        let factory = $factory;
                        $crate::level::run_case(&factory, async |bench| $crate::level::$module::$case(bench).await);
                    }
                )*
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __level_run_all {
    (($factory:ident, $report:ident) $( $module:ident { $($case:ident,)* } )*) => {
        $($(
            let bench = LevelBench::open($factory).await;
            let outcome = bounded(super::$module::$case(&bench)).await;
            $report.add(concat!(stringify!($module), "::", stringify!($case)), outcome);
        )*)*
    };
}

async fn bounded(case: impl Future<Output = Outcome>) -> Outcome {
    run::bounded(run::LIMIT, "the level did not answer", case).await
}

/// Runs every case and returns what each came to. Needs a tokio runtime with its timer; on one with several threads parallel cases are
/// parallel.
pub async fn run_all<F: LevelFactory>(factory: &F) -> Report {
    let mut report = Report::default();
    crate::__level_cases! { __level_run_all ! (factory, report) }
    report
}

/// Runs one case on a runtime of its own with two threads.
///
/// # Panics
/// When the case fails: this is for tests.
pub fn run_case<F: LevelFactory>(factory: &F, case: impl AsyncFnOnce(&LevelBench<F::Level>) -> Outcome) {
    run::run(async { bounded(case(&LevelBench::open(factory).await)).await });
}
