//! The phases of a drain as a pure function of time.

use std::time::Duration;

/// How far a drain has come. Phases follow each other in this order and never go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// No drain.
    Serving,
    /// Readiness fails, so that balancers turn away; everything else is served as before.
    Turning,
    /// Listeners are closed. What is in flight, and pending work, is awaited.
    Closing,
    /// Nothing is awaited any more.
    Ended,
}

impl Phase {
    /// A stable lowercase name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Turning => "turning",
            Self::Closing => "closing",
            Self::Ended => "ended",
        }
    }
}

/// When each phase begins, on the monotonic clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Course {
    times: Option<Times>,
    /// Everything was awaited, before the deadline.
    is_done: bool,
    /// Nothing more is awaited, whatever the clock says.
    is_cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    closes: Duration,
    ends: Duration,
}

impl Course {
    /// Begins, if it has not begun; whether it did.
    pub(super) fn begin(&mut self, now: Duration, window: Duration, deadline: Duration) -> bool {
        if self.times.is_some() {
            return false;
        }
        let closes = now.saturating_add(window);
        self.times = Some(Times { closes, ends: closes.saturating_add(deadline) });
        true
    }

    /// Leaves out what is left of the readiness window; whether anything was.
    pub(super) fn close(&mut self, now: Duration, deadline: Duration) -> bool {
        match &mut self.times {
            Some(times) if now < times.closes => *times = Times { closes: now, ends: now.saturating_add(deadline) },
            _ => return false,
        }
        true
    }

    /// Everything was awaited.
    pub(super) fn done(&mut self) {
        self.is_done = true;
    }

    /// Waits for nothing any more.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Whether time is over, or was declared to be.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.times.is_some_and(|times| self.is_cut || now >= times.ends)
    }

    pub(super) fn phase(&self, now: Duration) -> Phase {
        match self.times {
            None => Phase::Serving,
            Some(_) if self.is_done || self.is_over(now) => Phase::Ended,
            Some(times) if now >= times.closes => Phase::Closing,
            Some(_) => Phase::Turning,
        }
    }

    /// How long until time alone changes the phase.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let times = self.times?;
        match self.phase(now) {
            Phase::Turning => Some(times.closes.saturating_sub(now)),
            Phase::Closing => Some(times.ends.saturating_sub(now)),
            // Work that began after everything was awaited has time until the deadline.
            Phase::Ended if !self.is_over(now) => Some(times.ends.saturating_sub(now)),
            Phase::Serving | Phase::Ended => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(5);
    const DEADLINE: Duration = Duration::from_secs(20);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn phases_follow_the_clock() {
        let mut course = Course::default();
        assert_eq!((course.phase(at(100)), course.next(at(100))), (Phase::Serving, None));
        assert!(course.begin(at(100), WINDOW, DEADLINE));
        assert!(!course.begin(at(101), WINDOW, DEADLINE), "a second call changes nothing");
        for (now, phase, next) in [
            (100, Phase::Turning, Some(5)),
            (104, Phase::Turning, Some(1)),
            (105, Phase::Closing, Some(20)),
            (124, Phase::Closing, Some(1)),
            (125, Phase::Ended, None),
        ] {
            assert_eq!((course.phase(at(now)), course.next(at(now))), (phase, next.map(at)), "{now}");
        }
    }

    #[test]
    fn the_deadline_counts_from_an_early_close() {
        let mut course = Course::default();
        assert!(!course.close(at(0), DEADLINE), "nothing has begun");
        course.begin(at(0), WINDOW, DEADLINE);
        assert!(course.close(at(1), DEADLINE));
        assert!(!course.close(at(2), DEADLINE));
        assert_eq!((course.phase(at(1)), course.phase(at(20)), course.phase(at(21))), (Phase::Closing, Phase::Closing, Phase::Ended));
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Begin,
        Close,
        Done,
        Cut,
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![Just(Step::Begin), Just(Step::Close), Just(Step::Done), Just(Step::Cut), (0..12u64).prop_map(Step::Pass)]
    }

    proptest! {
        #[test]
        fn no_phase_goes_back_and_time_alone_brings_the_next(steps in prop::collection::vec(step(), 0..24)) {
            let (mut course, mut now, mut before) = (Course::default(), Duration::ZERO, Phase::Serving);
            let mut has_begun = false;
            for step in steps {
                match step {
                    Step::Begin => has_begun |= course.begin(now, WINDOW, DEADLINE),
                    Step::Close => { course.close(now, DEADLINE); }
                    Step::Done if course.phase(now) == Phase::Closing => course.done(),
                    Step::Cut if has_begun => course.cut(),
                    Step::Pass(by) => now += Duration::from_secs(by),
                    Step::Done | Step::Cut => {}
                }
                let phase = course.phase(now);
                prop_assert!(phase >= before);
                prop_assert_eq!(phase == Phase::Serving, !has_begun);
                if let Some(next) = course.next(now) {
                    prop_assert!(!next.is_zero(), "a timer of nothing would spin");
                    prop_assert!(course.phase(now + next) > phase || course.is_over(now + next));
                }
                if has_begun {
                    prop_assert!(course.is_over(now + WINDOW + DEADLINE), "no drain is endless");
                }
                before = phase;
            }
        }
    }
}
