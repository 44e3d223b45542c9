//! Stored bytes: whatever they are, they are read or refused, and what was read is written back the same.

use bytes::Bytes;
use unstick_core::{ErrorKind, decode_record, encode_record};

/// Whether the input was a record.
pub(crate) fn check(data: &[u8]) -> bool {
    match decode_record(Bytes::copy_from_slice(data)) {
        Ok(record) => {
            assert!(data.starts_with(b"uS\x01"), "only our own format is read");
            let written = encode_record(&record);
            let again = decode_record(written.clone()).expect("what we write, we read");
            assert_eq!(again, record);
            assert_eq!(encode_record(&again), written);
            true
        }
        Err(error) => {
            let newer = matches!(data, [b'u', b'S', version, ..] if *version > 1);
            assert_eq!(error.kind(), if newer { ErrorKind::UnknownFormat } else { ErrorKind::Corrupt });
            false
        }
    }
}
