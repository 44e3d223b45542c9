//! What is kept in a store: a record with its version, as the bytes of one field.
//!
//! ```text
//! "uR" 1 | version u64 | proposal u128 | the record in its own format
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use unstick_core::{Error, ErrorKind, Life, Record, Timestamp, decode_record, encode_record};

const MAGIC: &[u8; 2] = b"uR";
const FORMAT: u8 = 1;
const HEADER: usize = 2 + 1 + 8 + 16;

/// One version of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Counts the changes of a record, from one.
    pub(crate) version: u64,
    /// Tells apart what was proposed for the same version.
    pub(crate) proposal: u128,
    pub(crate) record: Record,
}

impl Entry {
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.version, self.proposal) == (other.version, other.proposal)
    }

    pub(crate) fn ended(&self) -> Option<Timestamp> {
        match self.record.life {
            Life::Ended { at, .. } => Some(at),
            Life::Live => None,
        }
    }

    pub(crate) fn encode(&self) -> Bytes {
        let record = encode_record(&self.record);
        let mut to = BytesMut::with_capacity(HEADER + record.len());
        to.put_slice(MAGIC);
        to.put_u8(FORMAT);
        to.put_u64(self.version);
        to.put_u128(self.proposal);
        to.put_slice(&record);
        to.freeze()
    }

    /// Values share the input.
    pub(crate) fn decode(mut bytes: Bytes) -> Result<Self, Error> {
        if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
            return Err(foreign());
        }
        bytes.advance(MAGIC.len());
        match bytes.get_u8() {
            FORMAT => {}
            0 => return Err(foreign()),
            _ => return Err(Error::new(ErrorKind::UnknownFormat, "a replicated session was written by a newer release")),
        }
        let (version, proposal) = (bytes.get_u64(), bytes.get_u128());
        Ok(Self { version, proposal, record: decode_record(bytes)? })
    }
}

/// For what is in a store that only this crate should use.
pub(crate) fn foreign() -> Error {
    Error::new(ErrorKind::Corrupt, "a store of a replicated pair holds a session that the pair did not write")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_of_this_release_stay_readable() {
        let golden = b"uR\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09";
        let record = Record::tombstone(Timestamp::from_millis(3), Timestamp::from_millis(4));
        let bytes: Bytes = [&golden[..], &encode_record(&record)].concat().into();
        let entry = Entry { version: 7, proposal: 9, record };
        assert_eq!(entry.encode(), bytes);
        assert_eq!(Entry::decode(bytes).unwrap(), entry);
    }

    #[test]
    fn a_newer_format_is_told_from_rubbish() {
        let mut bytes = Entry { version: 1, proposal: 1, record: Record::tombstone(Timestamp::ZERO, Timestamp::ZERO) }.encode().to_vec();
        bytes[2] = 2;
        assert_eq!(Entry::decode(bytes.into()).unwrap_err().kind(), ErrorKind::UnknownFormat);
    }

    proptest! {
        #[test]
        fn rubbish_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80), ours in any::<bool>()) {
            let bytes = if ours { [&b"uR\x01"[..], &bytes].concat() } else { bytes };
            prop_assert!(Entry::decode(bytes.into()).is_err());
        }
    }
}
