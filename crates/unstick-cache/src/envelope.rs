//! Values as bytes for the shared level: a versioned envelope around what the codec makes of a value.
//!
//! Format 1: format, kind (0 absent, 1 value), hash of the key (8 bytes), for how many milliseconds it was loaded (4), the value. The hash
//! is there because a value under a wrong key must never be served; the time is what nodes that did not load refresh early by.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};

const FORMAT: u8 = 1;
const HEAD: usize = 14;

type BoxError = Box<dyn Error + Send + Sync>;
type Encode<V> = dyn Fn(&V) -> Result<Vec<u8>, BoxError> + Send + Sync;
type Decode<V> = dyn Fn(&[u8]) -> Result<V, BoxError> + Send + Sync;

/// A value as it was sealed.
#[derive(Debug, PartialEq)]
pub(crate) struct Opened<V> {
    /// `None`: the source has none.
    pub(crate) value: Option<V>,
    /// How long its load took.
    pub(crate) took: Duration,
}

/// How values are written and read.
pub(crate) struct Codec<V> {
    encode: Arc<Encode<V>>,
    decode: Arc<Decode<V>>,
}

impl<V> Clone for Codec<V> {
    fn clone(&self) -> Self {
        Self { encode: self.encode.clone(), decode: self.decode.clone() }
    }
}

impl<V> fmt::Debug for Codec<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

impl<V> Codec<V> {
    pub(crate) fn json() -> Self
    where
        V: Serialize + DeserializeOwned,
    {
        Self::new(|value| Ok(serde_json::to_vec(value)?), |bytes| Ok(serde_json::from_slice(bytes)?))
    }

    pub(crate) fn new(
        encode: impl Fn(&V) -> Result<Vec<u8>, BoxError> + Send + Sync + 'static,
        decode: impl Fn(&[u8]) -> Result<V, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self { encode: Arc::new(encode), decode: Arc::new(decode) }
    }

    /// `None`: the codec cannot write this value, or panicked.
    pub(crate) fn seal(&self, key: u64, value: Option<&V>, took: Duration) -> Option<Bytes> {
        let body = match value {
            Some(value) => catch_unwind(AssertUnwindSafe(|| (self.encode)(value))).ok()?.ok()?,
            None => Vec::new(),
        };
        let mut bytes = BytesMut::with_capacity(HEAD + body.len());
        bytes.put_u8(FORMAT);
        bytes.put_u8(u8::from(value.is_some()));
        bytes.put_u64(key);
        bytes.put_u32(u32::try_from(took.as_millis()).unwrap_or(u32::MAX));
        bytes.put_slice(&body);
        Some(bytes.freeze())
    }

    /// `None`: not written by this codec for this key, or it panicked.
    pub(crate) fn open(&self, key: u64, bytes: &[u8]) -> Option<Opened<V>> {
        let (&[FORMAT, kind], rest) = bytes.split_first_chunk()? else { return None };
        let (name, rest) = rest.split_first_chunk()?;
        let (took, body) = rest.split_first_chunk()?;
        if u64::from_be_bytes(*name) != key {
            return None;
        }
        let value = match kind {
            0 if body.is_empty() => None,
            1 => Some(catch_unwind(AssertUnwindSafe(|| (self.decode)(body))).ok()?.ok()?),
            _ => return None,
        };
        Some(Opened { value, took: Duration::from_millis(u32::from_be_bytes(*took).into()) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_sealed_is_opened_under_its_key_alone(key: u64, other: u64, took: u32, value: Option<Vec<String>>) {
            let codec = Codec::json();
            let took = Duration::from_millis(took.into());
            let bytes = codec.seal(key, value.as_ref(), took).unwrap();
            prop_assert_eq!(codec.open(key, &bytes), Some(Opened { value, took }));
            if key != other {
                prop_assert_eq!(codec.open(other, &bytes), None);
            }
        }

        #[test]
        fn garbage_is_a_miss(key: u64, bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(Codec::<String>::json().open(key, &bytes), None);
        }
    }

    #[test]
    fn the_bytes_of_format_1_stay_readable() {
        let codec = Codec::<u32>::json();
        let took = Duration::from_millis(300);
        assert_eq!(codec.open(7, b"\x01\x01\0\0\0\0\0\0\0\x07\0\0\x01\x2c99"), Some(Opened { value: Some(99), took }));
        assert_eq!(codec.open(7, b"\x01\0\0\0\0\0\0\0\0\x07\0\0\x01\x2c"), Some(Opened { value: None, took }));
        assert_eq!(codec.open(7, b"\x02\x01\0\0\0\0\0\0\0\x07\0\0\x01\x2c99"), None, "a newer format");
        assert_eq!(codec.open(7, b"\x01\x01\0\0\0\0\0\0\0\x07\0\0\x01\x2c\"x\""), None, "another type");
        assert_eq!(codec.seal(7, Some(&99), took).unwrap(), &b"\x01\x01\0\0\0\0\0\0\0\x07\0\0\x01\x2c99"[..]);
    }
}
