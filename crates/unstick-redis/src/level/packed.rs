//! What is stored for a cache level. All numbers are big-endian.
//!
//! ```text
//! value  1 | epoch 8 | sequence i64 | fresh until i64 | kept until i64 | lease 16
//!          | tags u16 | { length u32, text }* | bytes
//! meta   1 | epoch 8 | sequence i64 | { operation 16 | noted at i64 }*
//! tag    1 | sequence i64, -1 when it is not known | mark 16 | { operation 16 | noted at i64 }*
//! ```
//! The lease is the one under which the value was filled. Times are milliseconds on the clock of the server that has the value.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use unstick_core::{Error, ErrorKind, LevelValue, Position, TagKey};

/// The format that this release writes.
const FORMAT: u8 = 1;
/// Of a value, without what the caller sends.
const HEAD: usize = 49;
/// A value of Redis must stay below 512 MB.
const MOST: usize = 500 << 20;

/// A value as it is stored.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) epoch: u64,
    pub(super) seq: u64,
    fresh: i64,
    kept: i64,
    /// Tells it from any other value of its key.
    pub(super) lease: Bytes,
    pub(super) tags: Vec<TagKey>,
    bytes: Bytes,
}

impl Packed {
    /// `None` for what another release wrote: it counts as missing, and is replaced by the next fill.
    pub(super) fn read(mut from: Bytes) -> Option<Self> {
        if from.len() < HEAD + 2 || from.get_u8() != FORMAT {
            return None;
        }
        let (epoch, seq) = (from.get_u64(), from.get_u64());
        let (fresh, kept, lease) = (from.get_i64(), from.get_i64(), from.split_to(16));
        let mut tags = Vec::with_capacity(from.get_u16().into());
        for _ in 0..tags.capacity() {
            let length = usize::try_from((from.len() >= 4).then(|| from.get_u32())?).ok()?;
            let text = (from.len() >= length).then(|| from.split_to(length))?;
            tags.push(TagKey(Arc::from(std::str::from_utf8(&text).ok()?)));
        }
        Some(Self { epoch, seq, fresh, kept, lease, tags, bytes: from })
    }

    /// As it is at `now` on the server's clock, if it is still kept.
    pub(super) fn at(self, now: i64) -> Option<LevelValue> {
        let left = |until: i64| Duration::from_millis(u64::try_from(until.saturating_sub(now)).unwrap_or(0));
        (now < self.kept).then(|| LevelValue { fresh: left(self.fresh), kept: left(self.kept), tags: self.tags, bytes: self.bytes })
    }
}

/// Tags and bytes, as a fill sends them.
pub(super) fn body(value: &LevelValue) -> Result<Bytes, Error> {
    let too_large = || Error::new(ErrorKind::TooLarge, "a cached value on redis must stay below 500 MB and 65536 tags");
    let size = value.tags.iter().map(|tag| tag.0.len() + 4).sum::<usize>().saturating_add(value.bytes.len());
    if size > MOST {
        return Err(too_large());
    }
    let mut to = BytesMut::with_capacity(size + 2);
    to.put_u16(u16::try_from(value.tags.len()).map_err(|_| too_large())?);
    for tag in &value.tags {
        to.put_u32(u32::try_from(tag.0.len()).map_err(|_| too_large())?);
        to.put_slice(tag.0.as_bytes());
    }
    to.put_slice(&value.bytes);
    Ok(to.freeze())
}

/// The level's epoch and sequence.
pub(super) fn position(mut meta: Bytes) -> Result<Position, Error> {
    if meta.len() < 17 || meta.get_u8() != FORMAT {
        return Err(newer());
    }
    Ok(Position { epoch: meta.get_u64(), seq: meta.get_u64() })
}

pub(super) fn newer() -> Error {
    Error::new(ErrorKind::UnknownFormat, "the cache level was set up by a newer release")
}

/// Whether values from a load at `seq` are still good, by what is stored for one of their tags. What is missing or not yet known may
/// have been invalidated.
pub(super) fn allows(tag: Option<Bytes>, seq: u64) -> bool {
    let Some(mut tag) = tag.filter(|tag| tag.len() >= 25) else { return false };
    tag.get_u8() == FORMAT && u64::try_from(tag.get_i64()).is_ok_and(|last| last <= seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_u8(1);
        [7, 9, 2_000, 5_000].into_iter().for_each(|number| bytes.put_u64(number));
        bytes.put_slice(&[0xaa; 16]);
        let value = LevelValue { bytes: "[7]".into(), tags: vec!["a".into(), "".into()], fresh: Duration::ZERO, kept: Duration::ZERO };
        bytes.put_slice(&body(&value).unwrap());
        bytes.freeze()
    }

    /// What releases wrote before stays readable.
    #[test]
    fn golden_bytes() {
        let hex: String = stored().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("../../tests/golden/level_value.hex").trim());
        let value = Packed::read(stored()).unwrap();
        assert_eq!((value.epoch, value.seq, &value.lease[..]), (7, 9, &[0xaa; 16][..]));
        let value = value.at(1_500).unwrap();
        assert_eq!((value.fresh.as_millis(), value.kept.as_millis()), (500, 3_500));
        assert_eq!((value.tags, &value.bytes[..]), (vec!["a".into(), "".into()], &b"[7]"[..]));
        assert_eq!(Packed::read(stored()).unwrap().at(3_000).unwrap().fresh, Duration::ZERO);
        assert!(Packed::read(stored()).unwrap().at(5_000).is_none());
    }

    #[test]
    fn what_cannot_be_read_is_missing() {
        let end = stored().len() - 3;
        for length in 0..end {
            assert!(Packed::read(stored().slice(..length)).is_none(), "{length}");
        }
        let mut newer = BytesMut::from(&stored()[..]);
        newer[0] = 2;
        assert!(Packed::read(newer.freeze()).is_none());
        assert_eq!(position(Bytes::from_static(&[2; 40])).unwrap_err().kind(), ErrorKind::UnknownFormat);
    }

    #[test]
    fn tags_that_are_not_known_allow_nothing() {
        let tag = |format: u8, number: i64| Some([&[format][..], &number.to_be_bytes(), &[0; 16]].concat().into());
        assert!(allows(tag(1, 5), 5) && allows(tag(1, 0), 5));
        for bad in [None, tag(1, 6), tag(1, -1), tag(2, 0), Some(Bytes::from_static(b"\x01"))] {
            assert!(!allows(bad, 5));
        }
    }
}
