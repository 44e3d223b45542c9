//! Counting, and when a count is worth telling. Memory is bounded.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use unstick_core::{Runtime, Timestamp};

use super::FindingKind;

/// How long not one of many new cookies must have come back.
const UNRETURNED_MILLIS: u64 = 60_000;
/// Longer than a store that was emptied once can explain: a minute later, no session from before it is young.
const MISMATCH_MILLIS: u64 = 90_000;
/// After so long, what was odd is counted anew, beside what is usual.
const WINDOW_MILLIS: u64 = 600_000;
/// What all good requests of former windows count for: enough to outweigh a scanner's visit, and little beside a mistake that stays.
const MAX_FORMER: u64 = 200;

/// What a kind is judged by. A few odd requests among many good ones are scanners.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) all: u64,
    /// In this window.
    pub(super) recent: u64,
    /// Between the first and the last of this window.
    pub(super) millis: u64,
    /// Requests with the cookie since the audit began.
    pub(super) all_returned: u64,
    /// Of this window, and some for those before: requests with the cookie,
    pub(super) returned: u64,
    /// new cookies to clients that had none,
    pub(super) new: u64,
    /// and sessions found where their credential said.
    pub(super) found: u64,
    pub(super) unreturned: u64,
}

/// Whether it is worth telling.
pub(super) fn is_told(kind: FindingKind, counts: &Counts) -> bool {
    let Counts { all, recent, .. } = *counts;
    let is_share = |percent: u64, of: u64| recent.saturating_mul(100) >= of.saturating_mul(percent);
    match kind {
        // These are certain.
        FindingKind::RefusedByBrowser | FindingKind::ClockSkew | FindingKind::StoreEvicts | FindingKind::StoreDown => all >= 1,
        // Beside users whose cookies come back, a few are forged headers.
        FindingKind::SecureOverHttp | FindingKind::DomainMismatch => recent >= 3 && is_share(5, counts.new) && is_share(1, counts.returned),
        FindingKind::PathMismatch => all >= 10 && all > counts.all_returned,
        FindingKind::SameSiteLost => all >= 3,
        FindingKind::StoreMismatch => recent >= 3 && counts.millis >= MISMATCH_MILLIS,
        FindingKind::Shadowed => recent >= 3 && is_share(1, counts.returned),
        FindingKind::NameMismatch => recent >= 3 && is_share(1, counts.new),
        // Not every request asks for its session, and not every audit has its layer.
        FindingKind::KeyMismatch => recent >= 3 && is_share(5, counts.found.max(counts.returned)),
        FindingKind::NeverReturned => all >= counts.unreturned && counts.all_returned == 0 && counts.millis >= UNRETURNED_MILLIS,
    }
}

/// Whether requests that come later can refute it.
const fn is_refutable(kind: FindingKind) -> bool {
    matches!(kind, FindingKind::PathMismatch | FindingKind::NeverReturned)
}

#[derive(Debug, Default)]
struct Slot {
    count: AtomicU64,
    recent: AtomicU64,
    is_told: AtomicBool,
    /// The count at which the next event is due.
    next: AtomicU64,
    /// First and last of this window.
    since: AtomicU64,
    last: AtomicU64,
    first: OnceLock<First>,
}

#[derive(Debug)]
pub(super) struct First {
    pub(super) at: Timestamp,
    pub(super) detail: String,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    slots: [Slot; FindingKind::ALL.len()],
    window: AtomicU64,
    all_returned: AtomicU64,
    returned: AtomicU64,
    new: AtomicU64,
    found: AtomicU64,
}

fn millis(runtime: &Runtime) -> u64 {
    u64::try_from(runtime.monotonic().as_millis()).unwrap_or(u64::MAX)
}

impl Tally {
    pub(super) fn returned(&self) {
        self.all_returned.fetch_add(1, Relaxed);
        self.returned.fetch_add(1, Relaxed);
    }

    pub(super) fn has_returned(&self) -> bool {
        self.all_returned.load(Relaxed) > 0
    }

    pub(super) fn new_cookie(&self) {
        self.new.fetch_add(1, Relaxed);
    }

    pub(super) fn found(&self) {
        self.found.fetch_add(1, Relaxed);
    }

    fn slot(&self, kind: FindingKind) -> &Slot {
        &self.slots[kind as usize]
    }

    pub(super) fn count(&self, kind: FindingKind) -> u64 {
        self.slot(kind).count.load(Relaxed)
    }

    /// Counts one; whether an event is due: at the first that is told, the 10th, the 100th and so on.
    pub(super) fn note(&self, kind: FindingKind, runtime: &Runtime, unreturned: u32, detail: impl FnOnce() -> String) -> bool {
        let now = millis(runtime);
        self.turn(now);
        let slot = self.slot(kind);
        slot.first.get_or_init(|| First { at: runtime.wall(), detail: detail() });
        slot.last.fetch_max(now, Relaxed);
        if slot.recent.fetch_add(1, Relaxed) == 0 {
            slot.since.store(now, Relaxed);
        }
        let count = slot.count.fetch_add(1, Relaxed) + 1;
        let due = slot.next.load(Relaxed);
        if count < due || !self.is_told(kind, unreturned) {
            return false;
        }
        slot.is_told.store(true, Relaxed);
        let after = std::iter::successors(Some(10_u64), |ten| ten.checked_mul(10)).find(|ten| *ten > count).unwrap_or(u64::MAX);
        slot.next.compare_exchange(due, after, Relaxed, Relaxed).is_ok()
    }

    /// Begins a new window when it is time. Only odd requests look at the clock.
    fn turn(&self, now: u64) {
        let began = self.window.load(Relaxed);
        let is_over = now.saturating_sub(began) >= WINDOW_MILLIS;
        if is_over && self.window.compare_exchange(began, now, Relaxed, Relaxed).is_ok() {
            self.slots.iter().for_each(|slot| slot.recent.store(0, Relaxed));
            for usual in [&self.returned, &self.new, &self.found] {
                usual.fetch_min(MAX_FORMER, Relaxed);
            }
        }
    }

    fn is_told(&self, kind: FindingKind, unreturned: u32) -> bool {
        let slot = self.slot(kind);
        if slot.is_told.load(Relaxed) && !is_refutable(kind) {
            return true;
        }
        is_told(
            kind,
            &Counts {
                all: slot.count.load(Relaxed),
                recent: slot.recent.load(Relaxed),
                millis: slot.last.load(Relaxed).saturating_sub(slot.since.load(Relaxed)),
                all_returned: self.all_returned.load(Relaxed),
                returned: self.returned.load(Relaxed),
                new: self.new.load(Relaxed),
                found: self.found.load(Relaxed),
                unreturned: u64::from(unreturned),
            },
        )
    }

    /// The count and first sight of a kind that is told.
    pub(super) fn told(&self, kind: FindingKind, unreturned: u32) -> Option<(u64, &First)> {
        let first = self.slot(kind).first.get()?;
        let was_told = self.slot(kind).is_told.load(Relaxed);
        (was_told && self.is_told(kind, unreturned)).then(|| (self.count(kind), first))
    }
}

#[cfg(test)]
mod tests {
    use unstick_core::Runtime;

    use super::{Counts, FindingKind, Tally, is_told};

    #[test]
    fn a_few_odd_requests_among_many_are_nothing() {
        let few =
            Counts { all: 9, recent: 9, returned: 10_000, all_returned: 10_000, new: 1_000, found: 10_000, millis: 600_000, unreturned: 5 };
        let alone = Counts { all: 12, recent: 12, millis: 600_000, new: 12, unreturned: 5, ..Counts::default() };
        for kind in [
            FindingKind::SecureOverHttp,
            FindingKind::DomainMismatch,
            FindingKind::PathMismatch,
            FindingKind::Shadowed,
            FindingKind::NameMismatch,
            FindingKind::KeyMismatch,
            FindingKind::NeverReturned,
        ] {
            assert!(!is_told(kind, &few), "{kind:?}");
            assert!(is_told(kind, &alone), "{kind:?}");
            assert!(!is_told(kind, &Counts { all: 2, recent: 2, ..alone }), "{kind:?}");
        }
        for kind in FindingKind::ALL {
            assert!(!is_told(kind, &Counts { unreturned: 20, ..Counts::default() }), "{kind:?}");
        }
    }

    #[test]
    fn a_scanner_beside_users_whose_cookies_come_back_is_nothing() {
        // Forged X-Forwarded-Host and X-Forwarded-Proto headers are what scanners try first; few users are new at night.
        let night =
            Counts { all: 8, recent: 8, returned: 1_000, all_returned: 90_000, new: 30, found: 1_000, millis: 300_000, unreturned: 20 };
        for kind in [FindingKind::SecureOverHttp, FindingKind::DomainMismatch] {
            assert!(!is_told(kind, &night), "{kind:?}");
            assert!(is_told(kind, &Counts { recent: 50, new: 80, ..night }), "{kind:?}: one of twenty requests is a second host's");
        }
    }

    #[test]
    fn events_come_at_powers_of_ten() {
        let (tally, runtime) = (Tally::default(), Runtime::tokio());
        let due = |kind| (1..=1_000_u64).filter(|_| tally.note(kind, &runtime, 20, String::new)).count();
        assert_eq!(due(FindingKind::RefusedByBrowser), 4, "1, 10, 100, 1000");
        assert_eq!(due(FindingKind::SameSiteLost), 4, "3, 10, 100, 1000");
        assert_eq!(due(FindingKind::NeverReturned), 0, "a minute has not passed");
        assert_eq!(tally.count(FindingKind::SameSiteLost), 1_000);
    }

    #[test]
    fn kinds_have_slots_and_names_of_their_own() {
        for (index, kind) in FindingKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert!(!FindingKind::ALL[..index].iter().any(|other| other.as_str() == kind.as_str()));
        }
    }
}
