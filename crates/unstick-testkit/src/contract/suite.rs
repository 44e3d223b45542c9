//! The list of all cases, and what runs them.

use std::future::Future;

use super::{Bench, Outcome, Report, StoreFactory, run};

/// The one list of cases; `$then` is a macro that makes something of it.
#[doc(hidden)]
#[macro_export]
macro_rules! __contract_cases {
    ($then:ident ! $args:tt) => {
        $crate::$then! { $args
            basics {
                created_session_loads, unknown_session_is_missing, create_never_overwrites, create_never_overwrites_expired,
                parallel_creates_have_one_winner, apply_never_creates, rotate_never_creates, sessions_do_not_mix,
                wrong_secret_opens_nothing, far_deadlines_are_kept,
            }
            at_hand { agrees_with_load, judges_at_the_time_it_is_given, }
            fields {
                deltas_merge, removals_merge, clear_comes_first, versions_follow_writes, empty_change_is_done, precondition_absent,
                precondition_version, preconditions_are_all_or_nothing, precondition_sees_fields_before_clear, size_is_limited,
            }
            values {
                odd_names_are_distinct, long_names_are_kept, binary_values_are_kept, odd_principals_are_kept, ten_thousand_fields,
                one_megabyte,
            }
            repeats {
                repeated_apply, repeated_conditional_apply, conflict_is_not_remembered, repeated_after_many_others,
                equal_changes_of_two_operations_both_apply, operations_are_remembered_per_session, repeated_create,
                repeated_rotate_with_grace, repeated_promote, repeated_apply_across_a_rotation, repeated_end,
            }
            lateness { late_create, late_apply, late_rotate, late_end, late_renewal, lateness_is_judged_on_arrival, }
            endings {
                end_leaves_a_tombstone, end_of_a_missing_session_leaves_a_tombstone, administrative_end,
                second_end_keeps_the_first_time, second_end_keeps_the_longest_tombstone, end_by_an_id_in_grace,
                end_ends_an_id_in_grace, superseded_id_cannot_end, end_of_an_expired_session,
            }
            expiry {
                idle_deadline_is_exact, absolute_deadline_is_exact, renewal_extends, renewal_never_moves_back,
                renewal_never_passes_absolute, creation_never_passes_absolute, rotation_leaves_absolute_alone,
                refused_change_does_not_renew,
            }
            rotation {
                grace_is_exact, promotion_has_no_grace, promotion_ends_an_earlier_grace, id_in_grace_neither_rotates_nor_promotes,
                only_one_previous_id_is_served, rotation_is_all_or_nothing, rotation_keeps_the_session,
                parallel_rotations_give_one_id, reordered_renewal_is_served, old_renewal_is_not_taken_for_reordered,
                promotion_forgets_reordered,
            }
            sweeping { sweep_of_an_empty_store, sweep_spares_what_serves, sweep_sees_renewals, sweep_is_bounded, swept_key_is_free, }
            principals {
                lists_live_sessions, lists_oldest_first, lists_no_dead_sessions, ends_one_by_its_entry, ends_all_others,
                ends_reserved_sessions, reserve_counts_others, reservation_ends, reserve_is_atomic, late_index_writes,
                no_session_escapes_end_others,
            }
            concurrency {
                writers_of_different_fields_all_survive, conditional_increments_all_count, parallel_deliveries_apply_once,
                end_wins_against_parallel_writers, locked_increments_all_count, locked_update_keeps_the_rules,
                changes_are_seen_whole,
            }
        }
    };
}

/// One `#[test]` per case of the store contract, for the stores that the given factory opens.
///
/// The argument is an expression that makes a [`StoreFactory`](crate::contract::StoreFactory); it is evaluated once per case.
#[macro_export]
macro_rules! contract_suite {
    ($factory:expr) => {
        $crate::__contract_cases! { __contract_tests ! ($factory) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __contract_tests {
    (($factory:expr) $( $module:ident { $($case:ident,)* } )*) => {
        $(
            mod $module {
                #[allow(unused_imports, reason = "the factory expression may name anything in scope outside")]
                use super::*;
                $(
                    #[test]
                    fn $case() {
                        let factory = $factory;
                        $crate::contract::run_case(&factory, async |bench| $crate::contract::$module::$case(bench).await);
                    }
                )*
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __contract_run_all {
    (($factory:ident, $report:ident) $( $module:ident { $($case:ident,)* } )*) => {
        $($(
            let bench = Bench::open($factory).await;
            let outcome = bounded(super::$module::$case(&bench)).await;
            $report.add(concat!(stringify!($module), "::", stringify!($case)), outcome);
        )*)*
    };
}

async fn bounded(case: impl Future<Output = Outcome>) -> Outcome {
    run::bounded(run::LIMIT, "the store did not answer", case).await
}

/// Runs every case and returns what each came to. Needs a tokio runtime with its timer; on one with several threads parallel cases are parallel.
pub async fn run_all<F: StoreFactory>(factory: &F) -> Report {
    let mut report = Report::default();
    crate::__contract_cases! { __contract_run_all ! (factory, report) }
    report
}

/// Runs one case on a runtime of its own with two threads.
///
/// # Panics
/// When the case fails: this is for tests.
pub fn run_case<F: StoreFactory>(factory: &F, case: impl AsyncFnOnce(&Bench<F::Store>) -> Outcome) {
    run::run(async { bounded(case(&Bench::open(factory).await)).await });
}
