//! What a store answers. Missing, ended, superseded and expired are answers, not errors.
//!
//! ```
//! use unstick_core::{Applied, Proof, Timestamp};
//!
//! let done = Applied::Done { proof: Proof::Current, idle_deadline: Timestamp::from_millis(1) };
//! assert!(done.is_done());
//! assert!(!Applied::Missing.is_done(), "a change never creates a session");
//! ```

use std::sync::Arc;

use crate::{ErrorKind, Fields, Life, Presented, Proof, Record, Standing, Timestamp};

/// Answer of [`Store::create`](crate::Store::create).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Created {
    /// The record exists now; also when the same operation created it before.
    Done,
    /// Another record is there.
    Exists,
    /// A tombstone is there.
    Ended {
        /// When the session was ended.
        at: Timestamp,
    },
}

/// A live session as loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// Which secret was presented.
    pub proof: Proof,
    /// The session's data.
    pub fields: Fields,
    /// Who is logged in.
    pub principal: Option<Arc<str>>,
    /// When the session was created.
    pub created: Timestamp,
    /// The idle deadline, after a renewal that rode along.
    pub idle_deadline: Timestamp,
    /// The absolute deadline.
    pub absolute_deadline: Timestamp,
    /// Until when requests with the id before the current one are served, if there was one.
    pub grace_until: Option<Timestamp>,
}

/// Answer of [`Store::load`](crate::Store::load).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loaded {
    /// The session lives.
    Live(LiveSession),
    /// The id was replaced.
    Superseded {
        /// When.
        at: Timestamp,
    },
    /// The session was ended.
    Ended {
        /// When.
        at: Timestamp,
    },
    /// A deadline has passed.
    Expired,
    /// No record and no tombstone.
    Missing,
    /// The record cannot be read; it is left alone. The kind is [`ErrorKind::UnknownFormat`] or [`ErrorKind::Corrupt`].
    Unreadable(ErrorKind),
}

impl Loaded {
    /// Judges a record as every store must.
    #[must_use]
    #[inline]
    pub fn judge(record: &Record, presented: &Presented, now: Timestamp) -> Self {
        match record.standing(presented, now) {
            Standing::Live(proof) => Self::Live(LiveSession {
                proof,
                fields: record.fields.clone(),
                principal: record.principal.clone(),
                created: record.created,
                idle_deadline: record.idle_deadline,
                absolute_deadline: record.absolute_deadline,
                grace_until: record.previous.as_ref().map(|previous| previous.grace_until),
            }),
            Standing::Superseded { at } => Self::Superseded { at },
            Standing::Ended { at } => Self::Ended { at },
            Standing::Expired => Self::Expired,
        }
    }
}

/// Answer of [`Store::apply`](crate::Store::apply).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Applied {
    /// The change is in, now or by an earlier delivery of the same operation.
    Done {
        /// Which secret was presented.
        proof: Proof,
        /// The idle deadline afterwards.
        idle_deadline: Timestamp,
    },
    /// A precondition does not hold; nothing was applied. The current fields save the caller a trip.
    Conflict(Fields),
    /// The change would exceed [`Change::max_size`](crate::Change::max_size); nothing was applied.
    TooLarge,
    /// The id was replaced.
    Superseded {
        /// When.
        at: Timestamp,
    },
    /// The session was ended.
    Ended {
        /// When.
        at: Timestamp,
    },
    /// A deadline has passed.
    Expired,
    /// No record and no tombstone.
    Missing,
    /// The record cannot be read; it is left alone.
    Unreadable(ErrorKind),
}

impl Applied {
    /// Whether the change is in.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// Answer of [`Store::rotate`](crate::Store::rotate).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotated {
    /// The change is in.
    Done {
        /// Whether the secret was replaced; not when a previous secret in its grace asked for it.
        rotated: bool,
        /// The idle deadline afterwards.
        idle_deadline: Timestamp,
    },
    /// Nothing was done; never holds [`Applied::Done`].
    Refused(Applied),
}

/// Answer of [`Store::end`](crate::Store::end).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// A tombstone is in place.
    Done {
        /// Whether a live session was ended by this call.
        was_live: bool,
    },
    /// The presented id was replaced: it may not end the session.
    Superseded {
        /// When.
        at: Timestamp,
    },
}

/// Ends a record in place as every store must; for a record that was missing, pass the fresh tombstone.
pub fn end_in_place(record: &mut Record, now: Timestamp, presented: Option<&Presented>, until: Timestamp) -> Ended {
    let standing = presented.map(|presented| record.standing(presented, now));
    if let Some(Standing::Superseded { at }) = standing {
        return Ended::Superseded { at };
    }
    let was_live = matches!(record.life, Life::Live);
    record.end(now, until);
    Ended::Done { was_live }
}
