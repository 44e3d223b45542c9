//! Time, deadline and identity of one operation.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{ErrorKind, OpCtx, OpId, Timestamp};
//!
//! let now = Timestamp::from_millis(1_000);
//! let op = OpCtx { now, deadline: now + Duration::from_secs(2), op_id: OpId::from_u128(7) };
//! assert_eq!(op.budget(), Duration::from_secs(2));
//! assert!(op.refuse_if_late(now + Duration::from_secs(1)).is_ok());
//! assert_eq!(op.refuse_if_late(op.deadline).unwrap_err().kind(), ErrorKind::Late);
//! ```

use std::{fmt, time::Duration};

use crate::{Error, ErrorKind, FieldVersion, Timestamp};

/// Names one operation, so that repeating it has no further effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OpId(u128);

impl OpId {
    /// From a number that no other operation on the same record has.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The version that fields written by this operation get.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "mixing both halves into 53 bits is the point")]
    pub const fn field_version(self) -> FieldVersion {
        let mut mixed = (self.0 as u64) ^ ((self.0 >> 64) as u64).rotate_left(32);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let version = FieldVersion::from_u64(mixed ^ (mixed >> 31));
        if version.as_u64() == 0 { FieldVersion::from_u64(1) } else { version }
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpId({:x})", self.0)
    }
}

/// Time, deadline and identity of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpCtx {
    /// The caller's wall clock; session deadlines are judged by it.
    pub now: Timestamp,
    /// On the caller's wall clock; a write that arrives later must be refused by the backend.
    pub deadline: Timestamp,
    /// Makes the operation idempotent.
    pub op_id: OpId,
}

impl OpCtx {
    /// How long the operation may take.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.deadline.since(self.now)
    }

    /// For stores that execute in this process: refuses an operation whose deadline has passed at `clock`.
    ///
    /// # Errors
    /// [`ErrorKind::Late`].
    pub fn refuse_if_late(&self, clock: Timestamp) -> Result<(), Error> {
        if clock >= self.deadline {
            Err(Error::new(ErrorKind::Late, "the operation arrived after its deadline and was refused"))
        } else {
            Ok(())
        }
    }
}
