//! The audit itself: counts what the judges find, and says so.

use std::{fmt, sync::Arc};

use http::{HeaderMap, Method, Uri};
use unstick_core::{ConfigError, Event, EventKind, Events, Observer, Runtime};

use super::{
    AuditBuilder, AuditLayer, Finding, FindingKind,
    judge::{Exchange, judge},
    sentence::sentence,
    sessions::{Loss, Sessions},
    tally::Tally,
    told::{Carried, Told, carried},
};

#[derive(Debug)]
pub(super) struct Config {
    pub(super) name: String,
    pub(super) former: Vec<String>,
    pub(super) runtime: Runtime,
    pub(super) events: Events,
    pub(super) is_https: bool,
    pub(super) unreturned: u32,
}

/// Names the misconfigurations by which sessions disappear. Clones share what was found. See the [module docs](super).
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

struct Inner {
    config: Config,
    tally: Tally,
    sessions: Sessions,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("cookie", &self.0.config.name).field("findings", &self.told().count()).finish_non_exhaustive()
    }
}

impl Audit {
    /// The audit of the session cookie called `name`, with the defaults of [`AuditBuilder`].
    ///
    /// # Errors
    /// When `name` cannot be a cookie's name.
    pub fn of(name: &str) -> Result<Self, ConfigError> {
        Self::builder(name).build()
    }

    /// Starts building the audit of the session cookie called `name`.
    pub fn builder(name: &str) -> AuditBuilder {
        AuditBuilder::new(name)
    }

    pub(super) fn new(config: Config) -> Self {
        Self(Arc::new(Inner { config, tally: Tally::default(), sessions: Sessions::default() }))
    }

    /// The layer that shows requests and responses to this audit. Put it outside the session layer; it changes nothing.
    pub fn layer(&self) -> AuditLayer {
        AuditLayer { audit: self.clone() }
    }

    /// What was found so far, in the order of [`FindingKind::ALL`]; empty for a healthy deployment.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.told().collect()
    }

    /// How often `kind` was seen, also while that is too seldom to be a finding.
    #[must_use]
    pub fn count(&self, kind: FindingKind) -> u64 {
        self.0.tally.count(kind)
    }

    /// Whether it is about the cookie called `name`.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        let Config { name: own, former, .. } = &self.0.config;
        own == name || former.iter().any(|former| former == name)
    }

    fn told(&self) -> impl Iterator<Item = Finding> {
        let Inner { config, tally, .. } = &*self.0;
        FindingKind::ALL.into_iter().filter(|kind| !self.is_explained(*kind)).filter_map(|kind| {
            let (count, first) = tally.told(kind, config.unreturned)?;
            let sentence = sentence(kind, &config.name);
            Some(Finding { kind, count, first_seen: first.at, detail: first.detail.clone(), sentence })
        })
    }

    /// A cookie that never comes back is worth telling only while the reason is not known.
    fn is_explained(&self, kind: FindingKind) -> bool {
        let reasons = [FindingKind::SecureOverHttp, FindingKind::DomainMismatch, FindingKind::PathMismatch, FindingKind::RefusedByBrowser];
        let unreturned = self.0.config.unreturned;
        kind == FindingKind::NeverReturned && reasons.iter().any(|reason| self.0.tally.told(*reason, unreturned).is_some())
    }

    fn note(&self, kind: FindingKind, detail: impl FnOnce() -> String) {
        let Config { runtime, events, unreturned, .. } = &self.0.config;
        if self.0.tally.note(kind, runtime, *unreturned, detail) && !self.is_explained(kind) {
            events.emit(EventKind::CookieMisconfigured, None, kind.as_str());
        }
    }

    /// Looks at a request; what its response is judged with. `None`: it carries the cookie.
    pub(super) fn ask(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Box<Told>> {
        let Config { name, former, .. } = &self.0.config;
        let carried = carried(headers, name);
        if carried == Carried::No {
            return Some(Box::new(Told::of(method, uri, headers, name, former)));
        }
        self.0.tally.returned();
        if carried == Carried::Twice {
            self.note(FindingKind::Shadowed, || "two cookies of the name, with different values".to_owned());
        }
        None
    }

    /// Looks at the response.
    pub(super) fn answer(&self, told: Option<&Told>, response: &HeaderMap) {
        let Inner { config, tally, .. } = &*self.0;
        let verdict = judge(&Exchange { name: &config.name, told, is_https: config.is_https, response });
        if verdict.is_new {
            tally.new_cookie();
        }
        for found in verdict.findings {
            if !(found.is_doubtful && tally.has_returned()) {
                self.note(found.kind, || found.detail);
            }
        }
        if verdict.is_mid_visit && !tally.has_returned() {
            self.note(FindingKind::NeverReturned, || "set for browsers that had a page from here".to_owned());
        }
    }
}

impl Observer for Audit {
    fn on_event(&self, event: &Event<'_>) {
        let Inner { config, tally, sessions } = &*self.0;
        let now = || config.runtime.monotonic();
        match event.kind {
            EventKind::SessionFound => tally.found(),
            EventKind::SessionCreated | EventKind::SessionPromoted | EventKind::SessionIdRenewed | EventKind::SessionRenewed => {
                sessions.written(event, now());
            }
            EventKind::SessionLost => match sessions.lost(event, now()) {
                Loss::Dropped => {
                    self.note(FindingKind::StoreEvicts, || "a session was gone within a minute of being stored by this node".to_owned())
                }
                Loss::Elsewhere => {
                    self.note(FindingKind::StoreMismatch, || "a session of another node was missing within a minute".to_owned())
                }
                Loss::Unclear => {}
            },
            EventKind::SessionUnknownKey => self.note(FindingKind::KeyMismatch, || "a cookie that no key of this node fits".to_owned()),
            EventKind::ClockSkew => self.note(FindingKind::ClockSkew, || "a cookie was issued in the future".to_owned()),
            EventKind::EvictionPolicy => self.note(FindingKind::StoreEvicts, || "the store's policy is to evict".to_owned()),
            EventKind::BackendEvicted => {
                sessions.trouble(now());
                self.note(FindingKind::StoreEvicts, || "the store has evicted".to_owned());
            }
            EventKind::BackendDown => {
                sessions.trouble(now());
                self.note(FindingKind::StoreDown, || "the store failed to answer".to_owned());
            }
            EventKind::BackendHealed | EventKind::BackendReconnected => sessions.trouble(now()),
            _ => {}
        }
    }
}
