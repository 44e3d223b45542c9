//! Messages as bytes.

use std::{error::Error as StdError, fmt};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::PublisherId;

/// The format that this release writes.
pub const BUS_FORMAT: u8 = 1;
/// Bytes in front of a payload.
pub const FRAME_HEAD: usize = 26;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameKind {
    /// A notice and its number.
    Notice {
        /// From 1, consecutive per publisher and incarnation.
        seq: u64,
    },
    /// A publisher's last number, so that a last notice that was lost is noticed, too. 0 before the first notice.
    Beat {
        /// The number of the last notice.
        seq: u64,
    },
    /// A subscription's message to itself.
    Echo {
        /// Tells it from others.
        nonce: u64,
    },
    /// A notice without a number, sent from inside a database transaction.
    Unsequenced,
    /// A new subscription asks all publishers for a beat.
    Hello,
}

/// A message on the wire.
///
/// | bytes | what |
/// |---|---|
/// | 1 | format, [`BUS_FORMAT`] |
/// | 1 | kind: 1 notice, 2 beat, 3 echo, 4 unsequenced, 5 hello |
/// | 8 | publisher |
/// | 8 | incarnation |
/// | 8 | number: the sequence number, or the nonce; 0 when there is none |
/// | rest | payload |
///
/// Numbers are big-endian. What follows a beat, an echo or a hello is left for later releases and skipped.
///
/// ```
/// use bytes::Bytes;
/// use unstick_core::{PublisherId, bus::{Frame, FrameKind}};
///
/// let frame = Frame { publisher: PublisherId(7), incarnation: 1, kind: FrameKind::Notice { seq: 3 }, payload: Bytes::from_static(b"cart:7") };
/// assert_eq!(Frame::decode(frame.encode()).unwrap(), frame);
/// assert!(Frame::decode(Bytes::from_static(b"something else")).is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Who sent it.
    pub publisher: PublisherId,
    /// See [`Notice::incarnation`](super::Notice::incarnation).
    pub incarnation: u64,
    /// What it is.
    pub kind: FrameKind,
    /// What was invalidated; empty unless it is a notice.
    pub payload: Bytes,
}

impl Frame {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let (kind, number) = match self.kind {
            FrameKind::Notice { seq } => (1, seq),
            FrameKind::Beat { seq } => (2, seq),
            FrameKind::Echo { nonce } => (3, nonce),
            FrameKind::Unsequenced => (4, 0),
            FrameKind::Hello => (5, 0),
        };
        let mut bytes = BytesMut::with_capacity(FRAME_HEAD + self.payload.len());
        bytes.put_u8(BUS_FORMAT);
        bytes.put_u8(kind);
        bytes.put_u64(self.publisher.0);
        bytes.put_u64(self.incarnation);
        bytes.put_u64(number);
        bytes.put_slice(&self.payload);
        bytes.freeze()
    }

    /// From bytes. The payload shares them.
    ///
    /// # Errors
    /// When they are of a later format, or of none. A subscriber takes that for a gap.
    pub fn decode(mut bytes: Bytes) -> Result<Self, Unreadable> {
        if bytes.len() < FRAME_HEAD || bytes.get_u8() != BUS_FORMAT {
            return Err(Unreadable);
        }
        let kind = bytes.get_u8();
        let (publisher, incarnation, number) = (PublisherId(bytes.get_u64()), bytes.get_u64(), bytes.get_u64());
        let kind = match (kind, number) {
            (1, 1..) => FrameKind::Notice { seq: number },
            (2, _) => FrameKind::Beat { seq: number },
            (3, _) => FrameKind::Echo { nonce: number },
            (4, 0) => FrameKind::Unsequenced,
            (5, 0) => FrameKind::Hello,
            _ => return Err(Unreadable),
        };
        if !matches!(kind, FrameKind::Notice { .. } | FrameKind::Unsequenced) {
            bytes.clear();
        }
        Ok(Self { publisher, incarnation, kind, payload: bytes })
    }
}

/// Shows how long the payload is, and not what it says.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { publisher, incarnation, kind, payload } = self;
        f.debug_struct("Frame")
            .field("publisher", publisher)
            .field("incarnation", incarnation)
            .field("kind", kind)
            .field("payload", &payload.len())
            .finish()
    }
}

/// Bytes that this release cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message on the bus is in no format that this release reads")
    }
}

impl StdError for Unreadable {}
