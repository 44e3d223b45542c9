//! What a run of the whole suite came to.

use std::fmt;

use super::{Failure, Outcome};

/// Every case with its outcome, in order.
#[derive(Debug, Default)]
#[must_use]
pub struct Report {
    cases: Vec<(&'static str, Outcome)>,
}

impl Report {
    pub(crate) fn add(&mut self, case: &'static str, outcome: Outcome) {
        self.cases.push((case, outcome));
    }

    /// How many cases were run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether none was run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Whether a store passed: cases were run and none failed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        !self.is_empty() && self.failed().next().is_none()
    }

    /// The cases that failed, as `module::case`.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &Failure)> {
        self.cases.iter().filter_map(|(case, outcome)| outcome.as_ref().err().map(|failure| (*case, failure)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (case, failure) in self.failed() {
            writeln!(f, "{case}: {failure}")?;
        }
        write!(f, "{} of {} cases failed", self.failed().count(), self.len())
    }
}
