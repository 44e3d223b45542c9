//! When connections are opened: how many at a time, and how soon after one that failed.

use std::time::{Duration, Instant};

use crate::sweeper::jittered;

/// How many connections are opened at a time as long as that succeeds.
const OPENINGS: u32 = 5;

/// How many when the last one failed.
const OPENINGS_IN_TROUBLE: u32 = 3;

/// How soon another one is tried beside one that neither succeeds nor fails: the server may be back for new connections while
/// it will never answer to that one. Longer than all pauses.
const STAGGER: Duration = Duration::from_millis(700);

/// Pause after the second failure; it doubles up to [`LONGEST`]. After the first there is none: it may have been the connection's,
/// not the server's.
const SHORTEST: Duration = Duration::from_millis(50);

/// Longest pause, and so about how much later than the server callers are served again.
const LONGEST: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// So many are opened in advance.
    pub(super) min: u32,
    pub(super) max: u32,
    /// How long opening one may take.
    pub(super) connect: Duration,
}

/// The right to open a connection, which has its place in the counts. Holds how many rounds of failures there had been.
#[derive(Debug)]
pub(super) struct Ticket(u32);

#[derive(Debug)]
struct Trouble {
    why: &'static str,
    /// How often it failed. What was begun before a failure and fails after it is no failure more.
    rounds: u32,
    /// When the next opening may begin.
    next: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    /// All connections: idle, in use, and being opened.
    pub(super) size: u32,
    opening: u32,
    /// Callers without a connection.
    pub(super) waiting: u32,
    pub(super) closed: bool,
    /// Since the last opening failed.
    trouble: Option<Trouble>,
    /// When somebody will come to go on.
    wake: Option<Instant>,
}

/// What is to be done now, and how long from now more may be.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) open: Vec<Ticket>,
    pub(super) wake: Option<Duration>,
}

impl Counts {
    /// Counts as begun what may be begun now.
    pub(super) fn plan(&mut self, now: Instant, idle: u32, limits: &Limits) -> Plan {
        let mut plan = Plan::default();
        let live = self.size - self.opening;
        let wanted = self.waiting.saturating_sub(idle).max(limits.min.saturating_sub(live)).min(limits.max.saturating_sub(live));
        let at_a_time = if self.trouble.is_some() { OPENINGS_IN_TROUBLE } else { OPENINGS };
        while !self.closed && self.opening < wanted.min(at_a_time) {
            if let Some(trouble) = &mut self.trouble {
                if now < trouble.next {
                    if self.wake.is_none_or(|wake| wake < now || wake > trouble.next) {
                        self.wake = Some(trouble.next);
                        plan.wake = Some(trouble.next - now);
                    }
                    break;
                }
                trouble.next = now + STAGGER;
            }
            self.size += 1;
            self.opening += 1;
            plan.open.push(Ticket(self.trouble.as_ref().map_or(0, |trouble| trouble.rounds)));
        }
        plan
    }

    /// Why a caller is refused at once: there is no connection, and none is being opened for now.
    pub(super) fn refusal(&self, now: Instant) -> Option<&'static str> {
        self.trouble.as_ref().filter(|trouble| self.size == 0 && trouble.rounds > 1 && now < trouble.next).map(|trouble| trouble.why)
    }

    /// Why the last opening failed.
    pub(super) fn why(&self) -> Option<&'static str> {
        self.trouble.as_ref().map(|trouble| trouble.why)
    }

    /// One was opened.
    pub(super) fn opened(&mut self) {
        self.opening -= 1;
        self.trouble = None;
    }

    /// One could not be opened; whether there is nothing left to wait for.
    pub(super) fn failed(&mut self, now: Instant, ticket: Ticket, why: &'static str) -> bool {
        self.abandoned();
        let rounds = self.trouble.as_ref().map_or(0, |trouble| trouble.rounds);
        if ticket.0 == rounds {
            let pause = rounds.checked_sub(1).map_or(Duration::ZERO, |again| SHORTEST.saturating_mul(1 << again.min(8)).min(LONGEST));
            self.trouble = Some(Trouble { why, rounds: rounds.saturating_add(1), next: now + jittered(pause) });
        }
        self.size == 0 && self.trouble.as_ref().is_some_and(|trouble| trouble.rounds > 1)
    }

    /// One is no longer being opened, for reasons that say nothing of the server.
    pub(super) fn abandoned(&mut self) {
        self.opening -= 1;
        self.size -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { min: 2, max: 10, connect: Duration::from_secs(2) };

    #[test]
    fn opened_is_what_is_waited_for_and_a_few_at_a_time() {
        let now = Instant::now();
        let mut counts = Counts::default();
        assert_eq!(counts.plan(now, 0, &LIMITS).open.len(), 2, "in advance");
        counts.opened();
        counts.opened();
        counts.waiting = 3;
        assert_eq!(counts.plan(now, 2, &LIMITS).open.len(), 1, "two waiters will take what is idle");
        counts.waiting = 100;
        assert_eq!(counts.plan(now, 0, &LIMITS).open.len(), 4);
        assert_eq!(counts.plan(now, 0, &LIMITS).open.len(), 0);
        (0..5).for_each(|_| counts.opened());
        assert_eq!(counts.plan(now, 0, &LIMITS).open.len(), 3, "up to the maximum");
        assert_eq!(counts.size, 10);
    }

    #[test]
    fn after_a_failure_there_is_a_pause_that_grows() {
        let mut now = Instant::now();
        let mut counts = Counts { waiting: 100, ..Counts::default() };
        let open = counts.plan(now, 0, &LIMITS).open;
        assert_eq!(open.len(), 5);
        assert!(counts.refusal(now).is_none(), "it may succeed");
        for ticket in open {
            assert!(!counts.failed(now, ticket, "down"), "it is tried again at once");
        }
        assert!(counts.refusal(now).is_none());
        let mut open = counts.plan(now, 0, &LIMITS).open;
        assert_eq!(open.len(), 1, "one at a time");
        assert!(counts.failed(now, open.pop().unwrap(), "down"));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let plan = counts.plan(now, 0, &LIMITS);
            assert!(plan.open.is_empty() && counts.refusal(now).is_some());
            assert!(counts.plan(now, 0, &LIMITS).wake.is_none(), "one is enough");
            pauses.push(plan.wake.unwrap());
            now += plan.wake.unwrap() + Duration::from_nanos(1);
            let mut open = counts.plan(now, 0, &LIMITS).open;
            assert_eq!(open.len(), 1, "one at a time");
            assert!(counts.failed(now, open.pop().unwrap(), "down"));
        }
        assert!(pauses[0] < SHORTEST * 2 && pauses[7] > LONGEST / 2 && pauses.iter().all(|pause| *pause < LONGEST * 3 / 2), "{pauses:?}");
        now += LONGEST * 2;
        assert!(counts.refusal(now).is_none());
        assert_eq!(counts.plan(now, 0, &LIMITS).open.len(), 1);
        counts.opened();
        assert_eq!(counts.plan(now, 0, &LIMITS).open.len(), 5, "as before");
    }

    #[test]
    fn beside_one_that_hangs_another_is_tried() {
        let mut now = Instant::now();
        let mut counts = Counts { waiting: 100, ..Counts::default() };
        for ticket in counts.plan(now, 0, &LIMITS).open {
            counts.failed(now, ticket, "down");
        }
        now += LONGEST;
        for _ in 0..OPENINGS_IN_TROUBLE {
            assert_eq!(counts.plan(now, 0, &LIMITS).open.len(), 1);
            now += STAGGER;
        }
        assert_eq!(counts.plan(now, 0, &LIMITS).open.len(), 0);
    }

    #[test]
    fn nothing_is_opened_after_the_end() {
        let mut counts = Counts { waiting: 1, closed: true, ..Counts::default() };
        assert!(counts.plan(Instant::now(), 0, &LIMITS).open.is_empty());
    }
}
