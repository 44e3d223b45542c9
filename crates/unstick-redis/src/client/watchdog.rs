//! When a silent server is suspected, and when a fresh connection takes the place of the one that is silent.
//!
//! The library keeps one time of last use per connection and every write renews it: on a busy connection to a hung
//! server it never notices. So calls are counted here, per server. A server that owes an answer for longer than the
//! [`PATIENCE`] is suspected, and a fresh connection is tried beside the old one, again and again at a bounded rate. The old
//! one is given up when a fresh one is ready and the server has still not answered on the old one. Hence
//! a server that is merely slow keeps its connection: it answers before, or it is too busy for the fresh connection too.

use std::time::Duration;

/// How long a server may owe an answer before it is suspected.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// How long the library may be without a connection before fresh ones are tried beside its own attempts.
pub(super) const PATIENCE_WHILE_CUT: Duration = Duration::from_secs(3);
/// Time from one attempt to the next, before jitter.
pub(super) const PAUSE: Duration = Duration::from_millis(400);
/// Attempts that are under way at a time: one that hangs does not keep the next from finding that a replica took over.
pub(super) const ATTEMPTS: u32 = 4;

/// What one server owes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Silence {
    in_flight: u32,
    /// Calls given up since the last answer.
    missed: u32,
    /// When the oldest of the calls without an answer was sent; survives their being given up.
    since: Option<Duration>,
    answered: Option<Duration>,
    cut: Option<Duration>,
}

impl Silence {
    pub(super) fn sent(&mut self, now: Duration) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.since.get_or_insert(now);
        self.cut = None;
    }

    /// Any answer will do, an error too: the server is alive.
    pub(super) fn answered(&mut self, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.missed = 0;
        self.since = (self.in_flight > 0).then_some(now);
        self.answered = Some(now);
    }

    /// The caller gave up, by deadline or by being dropped.
    pub(super) fn given_up(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.missed = self.missed.saturating_add(1);
    }

    /// The connection broke under the call: the library knows, and sees to it.
    pub(super) fn broken(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.in_flight == 0 {
            self.since = None;
            self.missed = 0;
        }
    }

    /// Nothing was sent because there is no connection.
    pub(super) fn refused(&mut self, now: Duration) {
        self.cut.get_or_insert(now);
    }

    /// What is the matter with it. One lonely call in flight is not yet a reason: it may be a slow one.
    pub(super) fn suspicion(&self, now: Duration) -> Option<Suspicion> {
        let owed = self.in_flight.saturating_add(self.missed);
        let silent = self.since.map(|since| now.saturating_sub(since)).filter(|silent| *silent >= PATIENCE && owed > 1);
        let cut = self.cut.is_some_and(|cut| now.saturating_sub(cut) >= PATIENCE_WHILE_CUT);
        silent.map(Suspicion::Silent).or(cut.then_some(Suspicion::Cut))
    }

    /// Whether a fresh connection, asked for at `then`, should take over.
    pub(super) fn verdict(&self, suspicion: Suspicion, then: Duration, connected: bool) -> Verdict {
        let recovered = match suspicion {
            Suspicion::Silent(_) => self.answered.is_some_and(|answered| answered >= then),
            Suspicion::Cut => connected,
            Suspicion::Demoted => false,
        };
        if recovered { Verdict::Keep } else { Verdict::Replace }
    }
}

/// Why a server is suspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// It owes answers for so long.
    Silent(Duration),
    /// The library does not get a connection.
    Cut,
    /// It answers that it is no master any more.
    Demoted,
}

/// What becomes of the old connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has recovered meanwhile: the fresh one is closed.
    Keep,
    /// The fresh one takes over.
    Replace,
}

/// Bounds the attempts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Gate {
    next: Duration,
    under_way: u32,
}

impl Gate {
    /// Whether an attempt may start now; `dice` in `0..=255` spreads the attempts of many nodes over [`PAUSE`] to 1.5 times of it.
    pub(super) fn enter(&mut self, now: Duration, dice: u8, attempts: u32) -> bool {
        if now < self.next || self.under_way >= attempts {
            return false;
        }
        self.under_way += 1;
        self.next = now + PAUSE + PAUSE * u32::from(dice) / 512;
        true
    }

    pub(super) fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Sent,
        Answered,
        GivenUp,
        Broken,
    }

    fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
        let step = prop_oneof![Just(Step::Sent), Just(Step::Answered), Just(Step::GivenUp), Just(Step::Broken)];
        proptest::collection::vec((step, 0u64..200), 0..200)
    }

    proptest! {
        /// Whoever answered within the patience is not suspected, whatever else happened.
        #[test]
        fn an_answer_clears(steps in steps(), wait in 0u64..500) {
            let (mut silence, mut now) = (Silence::default(), 0);
            for (step, pause) in steps {
                now += pause;
                match step {
                    Step::Sent => silence.sent(ms(now)),
                    Step::Answered => {
                        silence.answered(ms(now));
                        prop_assert_eq!(silence.suspicion(ms(now + wait)), None);
                        prop_assert_eq!(silence.verdict(Suspicion::Silent(ms(600)), ms(now), true), Verdict::Keep);
                    }
                    Step::GivenUp => silence.given_up(),
                    Step::Broken => silence.broken(),
                }
            }
        }

        /// A server that never answers is suspected as soon as its patience is over, however fast calls come and are given up.
        #[test]
        fn silence_is_noticed(every in 1u64..200, given_up_after in 1u64..3000) {
            let mut silence = Silence::default();
            let mut noticed = None;
            let mut open = std::collections::VecDeque::new();
            for now in (0..5000).step_by(usize::try_from(every).unwrap()) {
                while open.front().is_some_and(|sent| sent + given_up_after <= now) {
                    open.pop_front();
                    silence.given_up();
                }
                silence.sent(ms(now));
                open.push_back(now);
                if silence.suspicion(ms(now)).is_some() {
                    noticed = Some(now);
                    break;
                }
            }
            let noticed = noticed.expect("noticed");
            prop_assert!((500..500 + every).contains(&noticed), "{noticed}");
        }

        /// A server that answers everything, each within the patience, is never suspected.
        #[test]
        fn slow_is_not_silent(every in 1u64..100, delay in 0u64..500) {
            let mut silence = Silence::default();
            let mut open = std::collections::VecDeque::new();
            for now in 0..3000 {
                while open.front().is_some_and(|sent| sent + delay <= now) {
                    open.pop_front();
                    silence.answered(ms(now));
                }
                if now % every == 0 {
                    silence.sent(ms(now));
                    open.push_back(now);
                }
                prop_assert_eq!(silence.suspicion(ms(now)), None);
            }
        }

        #[test]
        fn attempts_are_bounded(asks in proptest::collection::vec((0u64..50, any::<u8>(), any::<bool>()), 1..500)) {
            let (mut gate, mut now, mut under_way, mut started) = (Gate::default(), 0, 0u32, Vec::new());
            for (pause, dice, leave) in asks {
                now += pause;
                if leave && under_way > 0 {
                    gate.leave();
                    under_way -= 1;
                }
                if gate.enter(ms(now), dice, ATTEMPTS) {
                    under_way += 1;
                    started.push(now);
                }
                prop_assert!(under_way <= ATTEMPTS);
            }
            prop_assert!(started.windows(2).all(|pair| pair[1] - pair[0] >= 400));
        }
    }

    #[test]
    fn who_is_no_master_is_left_although_it_answers() {
        let mut silence = Silence::default();
        silence.sent(ms(0));
        silence.answered(ms(1));
        assert_eq!(silence.verdict(Suspicion::Demoted, ms(0), true), Verdict::Replace);
    }

    #[test]
    fn one_slow_call_alone_is_no_reason_until_it_was_given_up() {
        let mut silence = Silence::default();
        silence.sent(ms(0));
        assert_eq!(silence.suspicion(ms(1900)), None);
        silence.given_up();
        silence.sent(ms(2000));
        assert_eq!(silence.suspicion(ms(2000)), Some(Suspicion::Silent(ms(2000))));
        assert_eq!(silence.verdict(Suspicion::Silent(ms(2000)), ms(2000), true), Verdict::Replace);
    }

    #[test]
    fn a_missing_connection_is_first_left_to_the_library() {
        let mut silence = Silence::default();
        silence.refused(ms(0));
        assert_eq!(silence.suspicion(ms(2999)), None);
        assert_eq!(silence.suspicion(ms(3000)), Some(Suspicion::Cut));
        assert_eq!(silence.verdict(Suspicion::Cut, ms(3000), false), Verdict::Replace);
        assert_eq!(silence.verdict(Suspicion::Cut, ms(3000), true), Verdict::Keep, "the library was faster");
        silence.sent(ms(3100));
        assert_eq!(silence.suspicion(ms(3100)), None);
    }
}
