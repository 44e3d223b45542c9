//! Answers of the server, without the client library's types.

use std::borrow::Cow;

use bytes::Bytes;
use fred::types::Resp3Frame;
use unstick_core::{Error, ErrorKind};

use super::failure;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Int(i64),
    Bytes(Bytes),
    Many(Vec<Self>),
}

impl Reply {
    /// An error inside an array fails the whole answer: half of it would be acted upon otherwise.
    pub(super) fn read(frame: Resp3Frame) -> Result<Self, Error> {
        Ok(match frame {
            Resp3Frame::Null => Self::Nil,
            Resp3Frame::Number { data, .. } => Self::Int(data),
            Resp3Frame::Boolean { data, .. } => Self::Int(i64::from(data)),
            Resp3Frame::BlobString { data, .. } | Resp3Frame::SimpleString { data, .. } | Resp3Frame::VerbatimString { data, .. } => {
                Self::Bytes(data)
            }
            Resp3Frame::Array { data, .. } | Resp3Frame::Push { data, .. } => {
                Self::Many(data.into_iter().map(Self::read).collect::<Result<_, _>>()?)
            }
            Resp3Frame::Set { data, .. } => Self::Many(data.into_iter().map(Self::read).collect::<Result<_, _>>()?),
            Resp3Frame::Map { data, .. } => {
                let mut flat = Vec::with_capacity(data.len() * 2);
                for (key, value) in data {
                    flat.push(Self::read(key)?);
                    flat.push(Self::read(value)?);
                }
                Self::Many(flat)
            }
            Resp3Frame::SimpleError { data, .. } => return Err(failure::refused(&data)),
            Resp3Frame::BlobError { data, .. } => return Err(failure::refused(&String::from_utf8_lossy(&data))),
            _ => return Err(unexpected()),
        })
    }

    pub(super) fn into_bytes(self) -> Result<Bytes, Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Int(number) => Ok(number.to_string().into()),
            Self::Nil | Self::Many(_) => Err(unexpected()),
        }
    }

    /// Whether a script refused its call as late.
    pub(super) fn is_late(&self) -> bool {
        let status = if let Self::Many(answer) = self { answer.first() } else { Some(self) };
        matches!(status, Some(Self::Bytes(word)) if word == "LATE")
    }

    /// A number, also one that came as text.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bytes(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            Self::Nil | Self::Many(_) => None,
        }
    }
}

/// The answers that one answer is made of; an error that is the whole answer is one here, too.
pub(super) fn elements(frame: Resp3Frame) -> Result<Vec<Resp3Frame>, Error> {
    match frame {
        Resp3Frame::Array { data, .. } => Ok(data),
        frame => Err(Reply::read(frame).err().unwrap_or_else(unexpected)),
    }
}

pub(super) fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "redis answered in a shape that the command does not have")
}

/// What the server says that is wrong, if that is its answer.
pub(super) fn error_text(frame: &Resp3Frame) -> Option<Cow<'_, str>> {
    match frame {
        Resp3Frame::SimpleError { data, .. } => Some(Cow::Borrowed(data)),
        Resp3Frame::BlobError { data, .. } => Some(String::from_utf8_lossy(data)),
        _ => None,
    }
}

/// Whether the server says, for the whole or for one of several calls, that it is no master any more.
pub(super) fn is_demoted(frame: &Resp3Frame) -> bool {
    let says = |frame: &Resp3Frame| error_text(frame).is_some_and(|text| failure::is_demoted(&text));
    match frame {
        Resp3Frame::Array { data, .. } => data.iter().any(says),
        frame => says(frame),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(text: &'static str) -> Resp3Frame {
        Resp3Frame::BlobString { data: Bytes::from_static(text.as_bytes()), attributes: None }
    }

    #[test]
    fn maps_are_flat_and_errors_inside_are_told() {
        let map = Resp3Frame::Map { data: [(blob("a"), blob("1"))].into_iter().collect(), attributes: None };
        assert_eq!(Reply::read(map).unwrap(), Reply::Many(vec![Reply::Bytes("a".into()), Reply::Bytes("1".into())]));
        let broken = Resp3Frame::SimpleError { data: "OOM command not allowed".into(), attributes: None };
        let array = Resp3Frame::Array { data: vec![blob("a"), broken], attributes: None };
        assert_eq!(Reply::read(array).unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(Reply::Bytes("12".into()).number(), Some(12));
    }
}
