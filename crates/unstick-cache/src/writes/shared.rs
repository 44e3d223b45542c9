//! What the services of one layer share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use unstick_core::{Events, HeaderBudget, Runtime};

use super::{
    cookie::{WritesCookie, whole_seconds},
    plan::{Limits, Terms},
    site::Site,
    text::Signer,
};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) sites: Box<[Arc<dyn Site>]>,
    pub(super) runtime: Runtime,
    pub(super) events: Events,
    pub(super) cookie: WritesCookie,
    /// What the names of our cookies begin with.
    pub(super) prefix: String,
    /// Bytes of a line's attributes, at most.
    pub(super) attributes: usize,
    pub(super) cookies: Signer,
    pub(super) header: HeaderName,
    pub(super) headers: Signer,
    pub(super) age_limit: Duration,
    pub(super) skew: Duration,
    pub(super) limits: Limits,
    /// Random per layer, so that no two responses of any node use one name.
    pub(super) origin: u64,
    pub(super) number: AtomicU64,
}

/// How a client carries its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Cookies,
    Headers,
}

impl Shared {
    pub(super) fn pending(&self) -> Duration {
        let bound = self.sites.iter().map(|site| site.lifetime()).max().unwrap_or_default();
        Duration::from_secs(bound.as_secs().saturating_add(1))
    }

    pub(super) fn life(&self, pending_for: Duration) -> Duration {
        // nobody knows here how long other nodes keep values; the issuer's word counts, too
        if pending_for.is_zero() { self.age_limit } else { self.age_limit.max(pending_for).max(self.pending()) }
    }

    /// A name that no other response has.
    pub(super) fn slot(&self) -> String {
        format!("{:016x}-{:x}", self.origin, self.number.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) const fn terms(&self, transport: Transport) -> Lines<'_> {
        Lines { shared: self, transport }
    }
}

/// A response's lines in one transport.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'a> {
    shared: &'a Shared,
    transport: Transport,
}

/// Characters of the longest slot name.
const NAME: usize = 16 + 1 + 16;
const MAX_AGE: usize = "; max-age=".len() + 19;

impl Lines<'_> {
    pub(super) fn signer(&self) -> &Signer {
        match self.transport {
            Transport::Cookies => &self.shared.cookies,
            Transport::Headers => &self.shared.headers,
        }
    }

    /// A slot's line; without a text, the one that takes it away.
    pub(super) fn line(&self, slot: &str, text: Option<(String, Duration)>) -> Option<HeaderValue> {
        match self.transport {
            Transport::Cookies => self.shared.cookie.line(format!("{}{slot}", self.shared.prefix), text),
            Transport::Headers => {
                let (text, seconds) = text.map_or_else(Default::default, |(text, life)| (text, whole_seconds(life)));
                HeaderValue::try_from(format!("{slot}={text}; max-age={seconds}")).ok()
            }
        }
    }

    fn bytes(&self, slot: usize, text: usize) -> usize {
        match self.transport {
            Transport::Cookies => HeaderBudget::line("set-cookie".len(), self.shared.prefix.len() + slot + text + self.shared.attributes),
            Transport::Headers => HeaderBudget::line(self.shared.header.as_str().len(), slot + 1 + text + MAX_AGE),
        }
    }
}

impl Terms for Lines<'_> {
    fn pending(&self) -> Duration {
        self.shared.pending()
    }

    fn life(&self, pending_for: Duration) -> Duration {
        self.shared.life(pending_for)
    }

    fn skew(&self) -> Duration {
        self.shared.skew
    }

    fn set(&self, text: usize) -> usize {
        self.bytes(NAME, text)
    }

    fn removal(&self, slot: &str) -> usize {
        self.bytes(slot.len(), 0)
    }
}
