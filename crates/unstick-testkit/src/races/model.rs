//! What a session must look like after each step: a model small enough to be seen right, and none of the stores' code.

use std::collections::{BTreeMap, BTreeSet};

use unstick_core::{Applied, Loaded, Timestamp};

use crate::contract::{Failure, Outcome};

/// How an id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Served,
    Superseded,
    Ended,
    Expired,
}

/// One session. Ids are counted in the order in which they were given out.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) ended: bool,
    pub(super) idle: Timestamp,
    pub(super) absolute: Timestamp,
    pub(super) current: usize,
    pub(super) previous: Option<(usize, Timestamp)>,
    pub(super) fields: BTreeMap<String, String>,
    pub(super) applied: BTreeSet<u128>,
}

impl Model {
    pub(super) fn new(idle: Timestamp, absolute: Timestamp) -> Self {
        let (fields, applied) = (BTreeMap::new(), BTreeSet::new());
        Self { ended: false, idle, absolute, current: 0, previous: None, fields, applied }
    }

    pub(super) fn verdict(&self, id: usize, now: Timestamp) -> Verdict {
        if self.ended {
            return Verdict::Ended;
        }
        if now >= self.idle.min(self.absolute) {
            return Verdict::Expired;
        }
        match self.previous {
            _ if id == self.current => Verdict::Served,
            Some((previous, until)) if id == previous && now < until => Verdict::Served,
            _ => Verdict::Superseded,
        }
    }

    pub(super) fn is_current(&self, id: usize) -> bool {
        id == self.current
    }

    pub(super) fn renew(&mut self, idle: Timestamp) {
        self.idle = self.idle.max(idle).min(self.absolute);
    }

    pub(super) fn check_load(&self, id: usize, now: Timestamp, loaded: &Loaded) -> Outcome {
        let verdict = self.verdict(id, now);
        let same = match (verdict, loaded) {
            (Verdict::Served, Loaded::Live(session)) => {
                let is: BTreeMap<String, String> = session
                    .fields
                    .iter()
                    .map(|(name, field)| (name.to_string(), String::from_utf8_lossy(&field.value).into_owned()))
                    .collect();
                if is != self.fields {
                    return Err(Failure::new(format!("the fields are {is:?}, but should be {:?}", self.fields)));
                }
                session.idle_deadline == self.idle
            }
            (Verdict::Superseded, Loaded::Superseded { .. })
            | (Verdict::Ended, Loaded::Ended { .. })
            | (Verdict::Expired, Loaded::Expired) => true,
            _ => false,
        };
        if same { Ok(()) } else { Err(Failure::new(format!("id {id} should be {verdict:?}, but loads as {loaded:?}; {self:?}"))) }
    }

    /// Whether an answer to a write fits; the caller then brings the model up to date.
    pub(super) fn check_write(&self, id: usize, now: Timestamp, applied: &Applied) -> Result<Verdict, Failure> {
        let verdict = self.verdict(id, now);
        let same = matches!(
            (verdict, applied),
            (Verdict::Served, Applied::Done { .. })
                | (Verdict::Superseded, Applied::Superseded { .. })
                | (Verdict::Ended, Applied::Ended { .. })
                | (Verdict::Expired, Applied::Expired)
        );
        if same {
            Ok(verdict)
        } else {
            Err(Failure::new(format!("id {id} should be {verdict:?}, but a write is answered {applied:?}; {self:?}")))
        }
    }
}
