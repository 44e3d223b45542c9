//! The list of all cases, and what runs them.

use std::future::Future;

use super::{Bench, BusFactory};
use crate::contract::{Outcome, Report, run};

/// The one list of cases; `$then` is a macro that makes something of it.
#[doc(hidden)]
#[macro_export]
macro_rules! __bus_cases {
    ($then:ident ! $args:tt) => {
        $crate::$then! { $args
            delivery {
                notices_arrive_in_order, own_notices_are_not_delivered, numbers_are_consecutive, what_is_published_after_subscribing_arrives,
                every_subscription_hears_everything, fleets_do_not_mix, many_publishers, payloads_of_all_sizes, too_long_is_refused,
            }
            proofs { alive_again_and_again, alive_is_no_promise_too_early, overflow_is_a_gap, a_slow_receiver_goes_on, }
            cuts { a_cut_is_told, back_means_gap_then_restored, nothing_is_proven_while_cut, publishing_while_cut_is_not_confirmed, }
            endings { a_dropped_subscription_ends_alone, the_subscription_ends_with_the_bus, a_dropped_publish_disturbs_nobody, }
        }
    };
}

/// One `#[test]` per case of the bus contract, for the buses that the given factory opens.
///
/// The argument is an expression that makes a [`BusFactory`](crate::bus::BusFactory); it is evaluated once per case.
#[macro_export]
macro_rules! bus_contract_suite {
    ($factory:expr) => {
        $crate::__bus_cases! { __bus_tests ! ($factory) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __bus_tests {
    (($factory:expr) $( $module:ident { $($case:ident,)* } )*) => {
        $(
            mod $module {
                #[allow(unused_imports, reason = "the factory expression may name anything in scope outside")]
                use super::*;
                $(
                    #[test]
                    fn $case() {
                        let factory = $factory;
                        $crate::bus::run_case(&factory, async |bench| $crate::bus::$module::$case(bench).await);
                    }
                )*
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __bus_run_all {
    (($factory:ident, $chosen:ident, $report:ident) $( $module:ident { $($case:ident,)* } )*) => {
        $($(
            let name = concat!(stringify!($module), "::", stringify!($case));
            if $chosen(name) {
                $report.add(name, bounded($factory, super::$module::$case(&Bench::new($factory))).await);
            }
        )*)*
    };
}

/// A bus that does not answer must not hang the suite, nor one that gives signs of life for ever and not what is waited for.
async fn bounded(factory: &impl BusFactory, case: impl Future<Output = Outcome>) -> Outcome {
    run::bounded(factory.patience() * 3, "what had to come did not come", case).await
}

/// Runs every case and returns what each came to. Needs a tokio runtime with its timer.
pub async fn run_all<F: BusFactory>(factory: &F) -> Report {
    run_some(factory, |_| true).await
}

/// As [`run_all`], with the cases whose name (`module::case`) is chosen: a broken bus makes many cases wait as long as they can.
pub async fn run_some<F: BusFactory>(factory: &F, chosen: impl Fn(&str) -> bool) -> Report {
    let mut report = Report::default();
    crate::__bus_cases! { __bus_run_all ! (factory, chosen, report) }
    report
}

/// Runs one case on a runtime of its own with two threads.
///
/// # Panics
/// When the case fails: this is for tests.
pub fn run_case<F: BusFactory>(factory: &F, case: impl AsyncFnOnce(&Bench<'_, F>) -> Outcome) {
    run::run(async { bounded(factory, case(&Bench::new(factory))).await });
}
