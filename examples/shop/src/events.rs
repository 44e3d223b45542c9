//! What the layers of a node report: kept in a bounded ring, read by the balancer.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use unstick::core::{Event, Observer};

/// How many events a ring keeps.
const CAPACITY: usize = 512;

/// One event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Counts from 1, without gaps, in one ring.
    pub(crate) seq: u64,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    /// Where it happened.
    pub(crate) instance: String,
    /// A stable lowercase name.
    pub(crate) kind: String,
    /// Whether an operator should look at it.
    pub(crate) warning: bool,
    /// A tag of the session that cannot be turned back into its id.
    pub(crate) session: Option<String>,
    /// A word or sentence of detail.
    pub(crate) detail: String,
}

/// What a node says about itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct News {
    /// Sessions found since it started.
    pub(crate) found: u64,
    /// Sessions lost since it started.
    pub(crate) lost: u64,
    /// Those of its latest events that were asked for.
    pub(crate) events: Vec<Entry>,
}

/// The latest events.
#[derive(Debug, Default)]
pub(crate) struct Ring(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    entries: VecDeque<Entry>,
}

impl Ring {
    /// Appends an entry under this ring's next number.
    pub(crate) fn push(&self, mut entry: Entry) {
        let mut inner = self.lock();
        inner.last += 1;
        entry.seq = inner.last;
        if inner.entries.len() == CAPACITY {
            inner.entries.pop_front();
        }
        inner.entries.push_back(entry);
    }

    /// Appends something that happened to the fleet rather than to a session.
    pub(crate) fn note(&self, instance: &str, kind: &str, warning: bool, detail: &str) {
        self.push(Entry {
            seq: 0,
            at: now(),
            instance: instance.to_owned(),
            kind: kind.to_owned(),
            warning,
            session: None,
            detail: detail.to_owned(),
        });
    }

    /// What is kept and newer than `seq`, oldest first.
    pub(crate) fn after(&self, seq: u64) -> Vec<Entry> {
        let inner = self.lock();
        let known = inner.entries.partition_point(|entry| entry.seq <= seq);
        inner.entries.iter().skip(known).cloned().collect()
    }

    // A panic elsewhere cannot leave the ring half-written in a way that matters here.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Ring {
    fn on_event(&self, event: &Event<'_>) {
        self.push(Entry {
            seq: 0,
            at: now(),
            instance: event.instance.to_owned(),
            kind: event.kind.as_str().to_owned(),
            warning: event.kind.is_warning(),
            session: event.session.map(|tag| tag.to_string()),
            detail: event.detail.to_owned(),
        });
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_latest() {
        let ring = Ring::default();
        for index in 0..CAPACITY + 3 {
            ring.note("node-1", "test", false, &index.to_string());
        }
        let all = ring.after(0);
        assert_eq!((all.len(), all[0].seq), (CAPACITY, 4));
        let last = all[CAPACITY - 1].seq;
        assert_eq!(ring.after(last - 1).len(), 1);
        assert!(ring.after(last).is_empty());
        assert!(ring.after(last + 100).is_empty());
    }
}
