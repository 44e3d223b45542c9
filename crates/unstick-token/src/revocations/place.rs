//! Where denials are kept: keys that no session's record has.

use std::time::Duration;

use unstick_core::{Presented, RecordKey, SecretHash, Timestamp};

/// How long one record of a principal is written to.
const PERIOD: i64 = 30 * 24 * 3600 * 1000;

/// The tombstone of an anonymous session.
pub(super) fn of_session(key: RecordKey) -> RecordKey {
    RecordKey::from_bytes(blake3::derive_key("unstick 2026-11 revoked session", key.as_bytes()))
}

/// One principal's record of one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: RecordKey,
    pub(super) secret: SecretHash,
    /// When the period is over.
    pub(super) over: Timestamp,
}

impl Place {
    /// Of the period that `now` falls into.
    pub(super) fn of_principal(principal: &str, now: Timestamp) -> Self {
        Self::of_period(principal, now.as_millis().div_euclid(PERIOD))
    }

    /// Of every period from `first` to `last`.
    pub(super) fn between(principal: &str, first: Timestamp, last: Timestamp) -> Vec<Self> {
        let period = |time: Timestamp| time.as_millis().div_euclid(PERIOD);
        // No session lives longer than 400 days.
        let last = period(last).min(period(first) + 15);
        (period(first)..=last).map(|period| Self::of_period(principal, period)).collect()
    }

    fn of_period(principal: &str, period: i64) -> Self {
        let derive = |context: &'static str| {
            let mut hash = blake3::Hasher::new_derive_key(context);
            hash.update(&period.to_be_bytes()).update(principal.as_bytes());
            *hash.finalize().as_bytes()
        };
        let mut secret = [0; 16];
        secret.copy_from_slice(&derive("unstick 2026-11 revocations of principal, secret")[..16]);
        Self {
            key: RecordKey::from_bytes(derive("unstick 2026-11 revocations of principal")),
            secret: SecretHash::from_bytes(secret),
            over: Timestamp::from_millis((period + 1).saturating_mul(PERIOD)),
        }
    }

    pub(super) fn presented(&self) -> Presented {
        Presented { secret: self.secret, issued: Timestamp::ZERO, idle_deadline: self.over }
    }

    /// Until when the record is kept: whoever's clock says that the period is on finds it.
    pub(super) fn kept_until(&self, skew: Duration) -> Timestamp {
        self.over + skew + skew
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_found_in_whatever_period_it_is_looked_for() {
        let (revoked, skew) = (Timestamp::from_millis(PERIOD * 700 - 1000), Duration::from_secs(300));
        let until = revoked + Duration::from_secs(14 * 24 * 3600);
        let places = Place::between("ann", revoked - skew, until + skew);
        assert_eq!(places.len(), 2);
        for read in [revoked - skew, revoked, revoked + skew, until, until + skew] {
            assert!(places.contains(&Place::of_principal("ann", read)));
            assert!(!places.contains(&Place::of_principal("bob", read)));
        }
        assert_eq!(Place::between("ann", revoked, revoked).len(), 1);
        assert_eq!(Place::between("ann", revoked, Timestamp::from_millis(i64::MAX)).len(), 16, "bounded");
    }
}
