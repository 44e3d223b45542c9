//! How a presented credential stands to a record: one pure function for every backend.

use super::{Life, Record};
use crate::{Credential, SecretHash, Timestamp};

/// What a backend is shown of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// Hash of its secret.
    pub secret: SecretHash,
    /// When it was signed.
    pub issued: Timestamp,
    /// Its signed idle deadline.
    pub idle_deadline: Timestamp,
}

impl From<&Credential> for Presented {
    #[inline]
    fn from(credential: &Credential) -> Self {
        Self { secret: credential.secret().hash(), issued: credential.issued(), idle_deadline: credential.idle_deadline() }
    }
}

/// Which secret of a live session was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The current one.
    Current,
    /// The previous one, within its grace: served, but never given the new credential, nor allowed to rotate or log in.
    Grace,
    /// The previous one after its grace, in a credential that was issued again while the rotation was under way:
    /// the client received the two answers in the other order. Served, and rotated to a fresh id.
    Reordered,
}

/// A credential's standing. See [`Record::standing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The session lives.
    Live(Proof),
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
}

impl Record {
    /// How `presented` stands to this record at `now`.
    #[must_use]
    #[inline]
    pub fn standing(&self, presented: &Presented, now: Timestamp) -> Standing {
        if let Life::Ended { at, .. } = self.life {
            return Standing::Ended { at };
        }
        if now >= self.idle_deadline || now >= self.absolute_deadline {
            return Standing::Expired;
        }
        if presented.secret == self.secret {
            return Standing::Live(Proof::Current);
        }
        match &self.previous {
            Some(previous) if presented.secret == previous.secret => {
                if now < previous.grace_until {
                    Standing::Live(Proof::Grace)
                } else if previous.reissued_since != Timestamp::ZERO && presented.issued >= previous.reissued_since {
                    Standing::Live(Proof::Reordered)
                } else {
                    Standing::Superseded { at: self.rotated }
                }
            }
            _ => Standing::Superseded { at: self.rotated },
        }
    }
}
