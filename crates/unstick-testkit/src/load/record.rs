use std::time::Duration;

/// One call. Times are since the load began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<E> {
    /// When it started.
    pub start: Duration,
    /// When it was answered and how; `None` while it is not.
    pub end: Option<(Duration, Result<(), E>)>,
}

impl<E> Call<E> {
    /// Whether it was answered with success.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        matches!(self.end, Some((_, Ok(()))))
    }
}

/// All calls of a load, in the order of their starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<E> {
    /// The calls that were started.
    pub calls: Vec<Call<E>>,
    /// Calls that were due while as many as allowed were under way, and were left out. Not 0 means: the bound hides part of the fault.
    pub left_out: u64,
    /// How long the load went on, until the record was taken.
    pub length: Duration,
}
