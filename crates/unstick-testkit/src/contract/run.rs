//! How the cases of all suites are run.

use std::{future::Future, time::Duration};

use super::{Failure, Outcome};

/// What does not answer must not hang a suite.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// The case's outcome, or that there was none in time.
pub(crate) async fn bounded(limit: Duration, what: &str, case: impl Future<Output = Outcome>) -> Outcome {
    match tokio::time::timeout(limit, case).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::new(format!("{what} within {limit:?}"))),
    }
}

/// Runs a case on a runtime of its own with two threads, and panics when it fails.
pub(crate) fn run(case: impl Future<Output = Outcome>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(case),
        Err(error) => panic!("no runtime: {error}"),
    };
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
