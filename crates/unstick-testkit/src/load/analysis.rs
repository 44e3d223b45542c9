use std::{collections::BTreeMap, fmt, time::Duration};

use super::{Call, Record};

/// From when to when something was broken. Times are since the load began: see [`Load::now`](super::Load::now).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// When it was caused.
    pub start: Duration,
    /// When its cause was taken away; the same as `start` for one that the system has to heal by itself.
    pub end: Duration,
}

/// What a record comes to. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<E> {
    /// Calls that were started.
    pub calls: usize,
    /// Calls that succeeded.
    pub succeeded: usize,
    /// Calls that failed, by kind.
    pub errors: BTreeMap<E, usize>,
    /// Calls that were not answered before the record was taken.
    pub unanswered: usize,
    /// Calls that were not started, since too many were under way.
    pub left_out: u64,
    /// The longest time during which no call was answered, be it with an error.
    pub longest_silence: Duration,
    /// The longest time during which no call was answered with success.
    pub longest_outage: Duration,
    /// The longest that a call was under way.
    pub slowest: Duration,
    /// Calls that were under way for longer than their deadline.
    pub past_deadline: usize,
    /// From the fault's start to the answer of the first call that was started after it and succeeded.
    pub success_after_start: Option<Duration>,
    /// From the fault's end to the answer of the first call that was started after it and succeeded.
    pub success_after_end: Option<Duration>,
    /// From the fault's start until all calls started from then on succeeded, to the end of the record; `None` when the last failed.
    pub steady_after_start: Option<Duration>,
    /// The same from the fault's end; 0 when none failed after it.
    pub steady_after_end: Option<Duration>,
}

impl<E: Clone + Ord> Record<E> {
    /// Reads the record. A call that was not answered counts as failed here, and as under way until the record was taken.
    #[must_use]
    pub fn analyse(&self, fault: Option<Fault>, deadline: Duration) -> Report<E> {
        let mut errors = BTreeMap::new();
        for call in &self.calls {
            if let Some((_, Err(error))) = &call.end {
                *errors.entry(error.clone()).or_default() += 1;
            }
        }
        let length = |call: &Call<E>| call.end.as_ref().map_or(self.length, |(end, _)| *end).saturating_sub(call.start);
        Report {
            calls: self.calls.len(),
            succeeded: self.calls.iter().filter(|call| call.succeeded()).count(),
            errors,
            unanswered: self.calls.iter().filter(|call| call.end.is_none()).count(),
            left_out: self.left_out,
            longest_silence: self.longest_gap(|_| true),
            longest_outage: self.longest_gap(Call::succeeded),
            slowest: self.calls.iter().map(length).max().unwrap_or_default(),
            past_deadline: self.calls.iter().filter(|call| length(call) > deadline).count(),
            success_after_start: fault.and_then(|fault| self.first_success(fault.start)),
            success_after_end: fault.and_then(|fault| self.first_success(fault.end)),
            steady_after_start: fault.and_then(|fault| self.steady(fault.start)),
            steady_after_end: fault.and_then(|fault| self.steady(fault.end)),
        }
    }

    /// The longest time between answers that count, the begin and the end of the record included.
    fn longest_gap(&self, counts: impl Fn(&Call<E>) -> bool) -> Duration {
        let answered = self.calls.iter().filter(|call| counts(call)).filter_map(|call| call.end.as_ref().map(|(end, _)| *end));
        let mut instants: Vec<Duration> = [Duration::ZERO, self.length].into_iter().chain(answered).collect();
        instants.sort_unstable();
        instants.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default()
    }

    fn first_success(&self, mark: Duration) -> Option<Duration> {
        let since = self.calls.iter().filter(|call| call.start >= mark && call.succeeded());
        since.filter_map(|call| call.end.as_ref().map(|(end, _)| end.saturating_sub(mark))).min()
    }

    fn steady(&self, mark: Duration) -> Option<Duration> {
        let mut since = self.calls.iter().filter(|call| call.start >= mark).peekable();
        since.peek()?;
        let mut steady = Some(Duration::ZERO);
        for call in since {
            if !call.succeeded() {
                steady = None;
            } else if steady.is_none() {
                steady = Some(call.start.saturating_sub(mark));
            }
        }
        steady
    }
}

impl<E: fmt::Debug> fmt::Display for Report<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, succeeded, errors, unanswered, left_out, longest_silence, longest_outage, slowest, past_deadline, .. } = self;
        write!(f, "{calls} calls, {succeeded} succeeded, errors {errors:?}, {unanswered} unanswered, {left_out} left out; ")?;
        write!(
            f,
            "longest silence {longest_silence:.0?}, longest outage {longest_outage:.0?}, slowest {slowest:.0?}, {past_deadline} past the deadline"
        )?;
        for (what, time) in [
            ("first success after start", self.success_after_start),
            ("after end", self.success_after_end),
            ("steady after start", self.steady_after_start),
            ("after end", self.steady_after_end),
        ] {
            match time {
                Some(time) => write!(f, "; {what} {time:.0?}")?,
                None => write!(f, "; {what} never")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Call, Fault, Record};

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    type Answer = Option<(u64, Result<(), &'static str>)>;

    fn record(calls: &[(u64, Answer)], length: u64) -> Record<&'static str> {
        let calls = calls.iter().map(|(start, end)| Call { start: ms(*start), end: end.map(|(end, outcome)| (ms(end), outcome)) });
        Record { calls: calls.collect(), left_out: 2, length: ms(length) }
    }

    #[test]
    fn a_fault_is_measured_from_both_ends() {
        let record = record(
            &[
                (0, Some((5, Ok(())))),
                (10, Some((300, Ok(())))), // under way when the fault began: no sign of recovery
                (20, Some((120, Err("timeout")))),
                (30, Some((130, Err("timeout")))),
                (210, Some((260, Ok(())))), // the first after the end
                (220, Some((221, Err("refused")))),
                (230, Some((240, Ok(())))), // answered before the first
                (240, Some((250, Ok(())))),
            ],
            310,
        );
        let report = record.analyse(Some(Fault { start: ms(15), end: ms(200) }), ms(100));
        assert_eq!((report.calls, report.succeeded, report.unanswered, report.left_out), (8, 5, 0, 2));
        assert_eq!(report.errors.into_iter().collect::<Vec<_>>(), [("refused", 1), ("timeout", 2)]);
        assert_eq!((report.longest_silence, report.longest_outage), (ms(115), ms(235)));
        assert_eq!((report.slowest, report.past_deadline), (ms(290), 1));
        assert_eq!((report.success_after_start, report.success_after_end), (Some(ms(225)), Some(ms(40))));
        assert_eq!((report.steady_after_start, report.steady_after_end), (Some(ms(215)), Some(ms(30))));
    }

    #[test]
    fn what_was_not_answered_has_failed_and_is_late() {
        let record = record(&[(0, Some((10, Ok(())))), (20, None), (900, None)], 1000);
        let report = record.analyse(Some(Fault { start: ms(15), end: ms(15) }), ms(500));
        assert_eq!((report.unanswered, report.past_deadline, report.slowest), (2, 1, ms(980)));
        assert_eq!(report.longest_silence, ms(990));
        assert_eq!((report.success_after_start, report.steady_after_end), (None, None));
        assert!(report.to_string().contains("after end never"), "{report}");
    }

    #[test]
    fn without_faults_all_is_steady() {
        let record = record(&[(0, Some((1, Ok(())))), (10, Some((11, Ok(())))), (20, Some((21, Ok(()))))], 22);
        let report = record.analyse(Some(Fault { start: ms(5), end: ms(5) }), ms(100));
        assert_eq!((report.steady_after_start, report.success_after_start, report.past_deadline), (Some(ms(0)), Some(ms(6)), 0));
        assert_eq!(report.longest_outage, ms(10));
        assert_eq!(record.analyse(None, ms(1)).success_after_start, None);
        assert_eq!(record.analyse(Some(Fault { start: ms(30), end: ms(30) }), ms(1)).steady_after_end, None, "nobody tried");
    }
}
