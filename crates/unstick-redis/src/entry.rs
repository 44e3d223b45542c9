//! Entries of a principal's index, and what a session says about its entry.
//!
//! ```text
//! 1 | promotion u8 | operation 16 | reserved until i64 | arrives until i64 | forget at i64
//! ```
//! A hash per principal, from a session's key to its entry. `operation` is the one that publishes the session under this principal,
//! by a promotion or by its creation; it cannot take effect after `arrives until`, by the server's clock. The other times are the nodes'.

use std::time::Duration;

use bytes::{Buf, Bytes};
use unstick_core::{Error, Life, RecordKey, SessionEntry, Timestamp};

use crate::{answer::Answer, error, read};

/// How far the clocks of two servers, or of two nodes, are taken to be apart at most.
const SKEW: Duration = Duration::from_secs(300);

/// One entry as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) member: Bytes,
    pub(crate) value: Bytes,
    pub(crate) key: RecordKey,
    known: Option<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    promotion: bool,
    operation: Bytes,
    reserved: Timestamp,
    arrives: Timestamp,
}

/// What an entry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A live session of the principal.
    Live(SessionEntry),
    /// A session that may yet be published.
    Awaited,
    /// Nothing by this node's clock; another's may see it otherwise.
    Dead,
    /// Nothing, by any clock.
    Gone,
    /// A session of a newer release, or nothing that can be read.
    Unknown,
}

impl Entry {
    /// `None` when the member is no key of a session.
    pub(crate) fn read((member, value): (Bytes, Bytes)) -> Option<Self> {
        let key = RecordKey::from_bytes(<[u8; 32]>::try_from(&member[..]).ok()?);
        let mut from = value.clone();
        let known = (from.len() == 42 && from.get_u8() == 1).then(|| Known {
            promotion: from.get_u8() == 1,
            operation: from.split_to(16),
            reserved: Timestamp::from_millis(from.get_i64()),
            arrives: Timestamp::from_millis(from.get_i64()),
        });
        Some(Self { member, value, key, known })
    }

    /// The operation that publishes the session; none that exists if the entry is of a newer release.
    pub(crate) fn operation(&self) -> Bytes {
        self.known.as_ref().map_or(Bytes::from_static(&[0; 16]), |known| known.operation.clone())
    }

    /// Whether the session may yet be published: `here` is the node's time, `there` the server's.
    fn is_awaited(&self, here: Timestamp, there: Timestamp, exists: bool, applied: bool) -> bool {
        self.known.as_ref().is_none_or(|known| here < known.reserved || (there < known.arrives && !applied && (known.promotion || !exists)))
    }

    /// What the entry stands for, by what `peek` answered about its session.
    pub(crate) fn judge(&self, principal: &str, here: Timestamp, mut answer: Answer) -> Result<Standing, Error> {
        let found = match answer.status() {
            b"FOUND" => true,
            b"MISSING" => false,
            _ => return Err(error::unexpected()),
        };
        let there = answer.time()?;
        let waiting = |exists, applied| {
            if self.is_awaited(here, there, exists, applied) {
                Standing::Awaited
            } else if self.is_awaited(here - SKEW, there - SKEW, exists, applied) {
                Standing::Dead
            } else {
                Standing::Gone
            }
        };
        if !found {
            return Ok(waiting(false, false));
        }
        let record = read::readable(read::record(&answer.bytes()?))?;
        let applied = answer.flag()?;
        let Ok(record) = record else { return Ok(Standing::Unknown) };
        if matches!(record.life, Life::Ended { .. }) {
            return Ok(Standing::Gone);
        }
        let deadline = record.idle_deadline.min(record.absolute_deadline);
        if here >= deadline {
            return Ok(if here >= deadline + SKEW { Standing::Gone } else { Standing::Dead });
        }
        if record.principal.as_deref() != Some(principal) {
            return Ok(waiting(true, applied));
        }
        Ok(Standing::Live(SessionEntry {
            key: self.key,
            created: record.created,
            idle_deadline: record.idle_deadline,
            absolute_deadline: record.absolute_deadline,
        }))
    }
}
