//! A session's record: what a backend keeps, how it is judged, and how a change is merged into it.
//!
//! Everything here is plain data and plain functions; backends that can run Rust next to the data (memory) call them,
//! backends that decide in the engine (SQL, scripts) are held to the same answers by the contract suite.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{Change, Credential, Field, FieldVersion, NewRecord, OpCtx, OpId, Presented, Record, Standing, Timestamp};
//!
//! let now = Timestamp::from_millis(1_700_000_000_000);
//! let credential = Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600))?;
//! let presented = Presented::from(&credential);
//! let mut record = Record::new(NewRecord {
//!     secret: presented.secret, principal: None, created: now,
//!     idle_deadline: credential.idle_deadline(), absolute_deadline: credential.absolute_deadline(),
//!     fields: Default::default(),
//! });
//! let op = OpCtx { now, deadline: now + Duration::from_secs(2), op_id: OpId::from_u128(7) };
//! let change = Change::new().set("cart", "[1]");
//! assert!(record.apply(&op, &presented, &change).is_done());
//! assert_eq!(record.fields.get("cart").unwrap().value, "[1]");
//! assert!(matches!(record.standing(&presented, now + Duration::from_secs(61)), Standing::Expired));
//! # Ok::<(), unstick_core::Error>(())
//! ```

mod change;
mod fields;
mod format;
mod merge;
mod standing;

pub use change::{Change, FieldChange, Precondition, Renewal, Rotation};
pub use fields::{Field, FieldVersion, Fields, MAX_FIELD_NAME};
pub use format::{RECORD_FORMAT, decode_record, encode_record};
pub use standing::{Presented, Proof, Standing};

use std::sync::Arc;

use crate::{OpId, SecretHash, Timestamp};

/// The id before the current one, while it is still good for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    /// Hash of the previous secret.
    pub secret: SecretHash,
    /// Until when requests that still carry it are served.
    pub grace_until: Timestamp,
    /// From which time of issue on this secret's credentials were sent to the client again (renewal or key re-issue) in
    /// answers that may have overlapped the rotation; [`Timestamp::ZERO`] when there were none.
    ///
    /// Such a client may have received the answers in another order, so a credential issued then is accepted after the
    /// grace too, and replaced. The secret's first issue is always older.
    pub reissued_since: Timestamp,
}

/// Whether the session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Not ended; deadlines may have passed all the same.
    Live,
    /// A tombstone: the session was ended and must not come back.
    Ended {
        /// When it was ended.
        at: Timestamp,
        /// How long the tombstone is kept.
        until: Timestamp,
    },
}

/// What a new session starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Hash of the first secret.
    pub secret: SecretHash,
    /// Who is logged in.
    pub principal: Option<Arc<str>>,
    /// When it was created.
    pub created: Timestamp,
    /// First idle deadline.
    pub idle_deadline: Timestamp,
    /// Absolute deadline; never moves.
    pub absolute_deadline: Timestamp,
    /// First fields.
    pub fields: Fields,
}

/// A session as a backend keeps it. See the [module docs](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Live, or a tombstone.
    pub life: Life,
    /// Hash of the current secret.
    pub secret: SecretHash,
    /// The secret before it, after a `renew_id`.
    pub previous: Option<PreviousSecret>,
    /// When the secret last changed; the creation time before that.
    pub rotated: Timestamp,
    /// When the current secret was last sent to the client again; [`Timestamp::ZERO`] when never.
    pub reissued: Timestamp,
    /// Who is logged in.
    pub principal: Option<Arc<str>>,
    /// When the session was created.
    pub created: Timestamp,
    /// Until when it lives without activity.
    pub idle_deadline: Timestamp,
    /// Until when it lives at most.
    pub absolute_deadline: Timestamp,
    /// The session's data.
    pub fields: Fields,
    /// Operations already applied, each kept until its own deadline, after which it would be refused as late anyway.
    pub applied: Vec<(OpId, Timestamp)>,
}

impl Record {
    /// A live session.
    #[must_use]
    pub fn new(new: NewRecord) -> Self {
        Self {
            life: Life::Live,
            secret: new.secret,
            previous: None,
            rotated: new.created,
            reissued: Timestamp::ZERO,
            principal: new.principal,
            created: new.created,
            idle_deadline: new.idle_deadline.min(new.absolute_deadline),
            absolute_deadline: new.absolute_deadline,
            fields: new.fields,
            applied: Vec::new(),
        }
    }

    /// A tombstone without data.
    #[must_use]
    pub fn tombstone(at: Timestamp, until: Timestamp) -> Self {
        Self {
            life: Life::Ended { at, until },
            secret: SecretHash::from_bytes([0; 16]),
            previous: None,
            rotated: at,
            reissued: Timestamp::ZERO,
            principal: None,
            created: at,
            idle_deadline: at,
            absolute_deadline: at,
            fields: Fields::default(),
            applied: Vec::new(),
        }
    }

    /// Whether nothing is lost by deleting this record at `now`: the session is past a deadline and the tombstone, if it is one, has served.
    ///
    /// An expired record is kept for `slack` so that late writers find it expired rather than missing.
    #[must_use]
    pub fn is_collectable(&self, now: Timestamp, slack: std::time::Duration) -> bool {
        match self.life {
            Life::Ended { until, .. } => now >= until,
            Life::Live => now >= self.idle_deadline.min(self.absolute_deadline) + slack,
        }
    }
}
