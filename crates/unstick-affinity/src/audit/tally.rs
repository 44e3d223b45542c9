//! Counting, and when a count is worth telling. Memory is bounded.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use unstick_core::{Runtime, Timestamp};

use super::FindingKind;

/// How long not one of many new cookies must have come back.
const UNRETURNED_MILLIS: u64 = 60_000;
/// Longer than a store that was emptied once can explain: a minute later, no session from before it is young.
const MISMATCH_MILLIS: u64 = 90_000;

/// What stands beside the counts: a few odd requests among many good ones are scanners.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Volume {
    /// Requests with the cookie.
    pub(super) returned: u64,
    /// New cookies to clients that had none.
    pub(super) new: u64,
    /// Sessions found where their credential said.
    pub(super) found: u64,
    /// Between the first and the last count of the kind.
    pub(super) millis: u64,
    pub(super) unreturned: u64,
}

/// Whether `count` of `kind` are worth telling.
pub(super) fn is_told(kind: FindingKind, count: u64, volume: &Volume) -> bool {
    let is_share = |percent: u64, of: u64| count.saturating_mul(100) >= of.saturating_mul(percent);
    match kind {
        // These are certain.
        FindingKind::RefusedByBrowser | FindingKind::ClockSkew | FindingKind::StoreEvicts | FindingKind::StoreDown => count >= 1,
        FindingKind::SecureOverHttp | FindingKind::DomainMismatch => count >= 3 && is_share(5, volume.new),
        FindingKind::PathMismatch => count >= 5 && count > volume.returned,
        FindingKind::SameSiteLost => count >= 3,
        FindingKind::StoreMismatch => count >= 3 && volume.millis >= MISMATCH_MILLIS,
        FindingKind::Shadowed => count >= 3 && is_share(1, volume.returned),
        FindingKind::NameMismatch => count >= 3 && is_share(1, volume.new),
        FindingKind::KeyMismatch => count >= 3 && is_share(5, volume.found),
        FindingKind::NeverReturned => count >= volume.unreturned && volume.returned == 0 && volume.millis >= UNRETURNED_MILLIS,
    }
}

#[derive(Debug, Default)]
struct Slot {
    count: AtomicU64,
    /// The count at which the next event is due.
    next: AtomicU64,
    last: AtomicU64,
    first: OnceLock<First>,
}

#[derive(Debug)]
pub(super) struct First {
    pub(super) at: Timestamp,
    pub(super) detail: String,
    since: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    slots: [Slot; FindingKind::ALL.len()],
    returned: AtomicU64,
    new: AtomicU64,
    found: AtomicU64,
}

fn millis(runtime: &Runtime) -> u64 {
    u64::try_from(runtime.monotonic().as_millis()).unwrap_or(u64::MAX)
}

impl Tally {
    pub(super) fn returned(&self) -> u64 {
        self.returned.fetch_add(1, Relaxed) + 1
    }

    pub(super) fn has_returned(&self) -> bool {
        self.returned.load(Relaxed) > 0
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
        let slot = self.slot(kind);
        let now = millis(runtime);
        slot.first.get_or_init(|| First { at: runtime.wall(), since: now, detail: detail() });
        slot.last.fetch_max(now, Relaxed);
        let count = slot.count.fetch_add(1, Relaxed) + 1;
        let due = slot.next.load(Relaxed);
        if count < due || !is_told(kind, count, &self.volume(kind, unreturned)) {
            return false;
        }
        let after = std::iter::successors(Some(10_u64), |ten| ten.checked_mul(10)).find(|ten| *ten > count).unwrap_or(u64::MAX);
        slot.next.compare_exchange(due, after, Relaxed, Relaxed).is_ok()
    }

    fn volume(&self, kind: FindingKind, unreturned: u32) -> Volume {
        let slot = self.slot(kind);
        let since = slot.first.get().map(|first| first.since);
        Volume {
            returned: self.returned.load(Relaxed),
            new: self.new.load(Relaxed),
            found: self.found.load(Relaxed),
            millis: since.map_or(0, |since| slot.last.load(Relaxed).saturating_sub(since)),
            unreturned: u64::from(unreturned),
        }
    }

    /// The count and first sight of a kind that is told.
    pub(super) fn told(&self, kind: FindingKind, unreturned: u32) -> Option<(u64, &First)> {
        let count = self.count(kind);
        let first = self.slot(kind).first.get()?;
        is_told(kind, count, &self.volume(kind, unreturned)).then_some((count, first))
    }
}

#[cfg(test)]
mod tests {
    use unstick_core::Runtime;

    use super::{FindingKind, Tally, Volume, is_told};

    #[test]
    fn a_few_odd_requests_among_many_are_nothing() {
        let busy = Volume { returned: 10_000, new: 1_000, found: 10_000, millis: 600_000, unreturned: 20 };
        for kind in [
            FindingKind::SecureOverHttp,
            FindingKind::DomainMismatch,
            FindingKind::PathMismatch,
            FindingKind::Shadowed,
            FindingKind::NameMismatch,
            FindingKind::KeyMismatch,
            FindingKind::NeverReturned,
        ] {
            assert!(!is_told(kind, 5, &busy), "{kind:?}");
            let all = Volume { returned: 0, new: 5, found: 0, ..busy };
            assert_eq!(is_told(kind, 5, &all), kind != FindingKind::NeverReturned, "{kind:?}");
            assert!(!is_told(kind, 2, &all), "{kind:?}");
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
