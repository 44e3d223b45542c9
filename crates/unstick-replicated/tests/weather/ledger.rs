//! What clients were told, and what may therefore be seen.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard},
};

use unstick_core::{Fields, Loaded};

#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Told>);

/// Everything that was answered until a moment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Told {
    /// Increments that are in.
    pub(crate) counted: u64,
    /// Increments that may be in.
    pub(crate) perhaps: u64,
    /// Keys that are in.
    pub(crate) keys: BTreeSet<String>,
    /// Writes that were refused, and reads.
    pub(crate) refused: u64,
    pub(crate) unread: u64,
    /// Writes whose outcome is unknown.
    pub(crate) unknown: u64,
    pub(crate) ended: bool,
    /// The id was renewed.
    pub(crate) rotated: bool,
    /// Somebody has asked for the end.
    pub(crate) ending: bool,
    /// Somebody has seen the end.
    pub(crate) seen_ended: bool,
    pub(crate) failure: Option<String>,
}

pub(crate) fn counter(fields: &Fields) -> u64 {
    fields.get("counter").map_or(0, |field| String::from_utf8_lossy(&field.value).parse().unwrap())
}

impl Ledger {
    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fail(&self, failure: String) {
        self.told().failure.get_or_insert(failure);
    }

    /// Judges what was read by a request that began when clients had been told `before`. `settled`: once seen, an end stays.
    pub(crate) fn judge(&self, before: &Told, loaded: &Loaded, settled: bool, fresh: bool) {
        let mut now = self.told();
        let failure = match loaded {
            // The new id, of which nobody has said that it counts.
            Loaded::Superseded { .. } if fresh && !before.rotated => None,
            Loaded::Live(_) if before.ended => Some("alive after an end that was acknowledged".to_owned()),
            Loaded::Live(_) if before.seen_ended && settled => Some("alive after it was seen dead".to_owned()),
            Loaded::Live(live) => {
                let (count, most) = (counter(&live.fields), now.counted + now.perhaps);
                let lost = before.keys.iter().find(|key| live.fields.get(key).is_none());
                if count < before.counted {
                    Some(format!("{count} of {} increments that were acknowledged", before.counted))
                } else if count > most + 4 {
                    Some(format!("{count} increments, {most} were made")) // those under way are at most as many as clients
                } else {
                    lost.map(|key| format!("{key} was acknowledged and is lost"))
                }
            }
            Loaded::Ended { .. } if !now.ending => Some("ended by nobody".to_owned()),
            Loaded::Ended { .. } => {
                now.seen_ended = true;
                None
            }
            other => Some(format!("a session that lives is {other:?}")),
        };
        if let Some(failure) = failure {
            now.failure.get_or_insert(failure);
        }
    }
}
