//! What a script answers: a status word and what belongs to it.

use bytes::{Buf, Bytes};
use unstick_core::{Error, Proof, Timestamp};

use crate::{client::Reply, error};

#[derive(Debug)]
pub(crate) struct Answer {
    status: Bytes,
    rest: std::vec::IntoIter<Reply>,
}

/// What became of a session that was changed.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) proof: Proof,
    pub(crate) idle_deadline: Timestamp,
    pub(crate) rotated: bool,
    pub(crate) absolute_deadline: Timestamp,
}

impl Answer {
    pub(crate) fn new(replies: Vec<Reply>) -> Result<Self, Error> {
        let mut rest = replies.into_iter();
        match rest.next() {
            Some(Reply::Bytes(status)) => Ok(Self { status, rest }),
            _ => Err(error::unexpected()),
        }
    }

    /// What a change answers that was carried out: all in one string behind the word, which both sides handle faster than a list.
    pub(crate) fn changed(&self) -> Result<Option<Changed>, Error> {
        let Some(mut packed) = self.status.strip_prefix(b"DONE") else { return Ok(None) };
        if packed.len() != 18 {
            return Err(error::unexpected());
        }
        Ok(Some(Changed {
            proof: match packed.get_u8() {
                0 => Proof::Current,
                1 => Proof::Grace,
                2 => Proof::Reordered,
                _ => return Err(error::unexpected()),
            },
            idle_deadline: Timestamp::from_millis(packed.get_i64()),
            rotated: packed.get_u8() != 0,
            absolute_deadline: Timestamp::from_millis(packed.get_i64()),
        }))
    }

    pub(crate) fn status(&self) -> &[u8] {
        &self.status
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Error> {
        match self.rest.next() {
            Some(Reply::Bytes(bytes)) => Ok(bytes),
            _ => Err(error::unexpected()),
        }
    }

    pub(crate) fn int(&mut self) -> Result<i64, Error> {
        match self.rest.next() {
            Some(Reply::Int(number)) => Ok(number),
            _ => Err(error::unexpected()),
        }
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Error> {
        self.int().map(|number| number != 0)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Error> {
        self.int().map(Timestamp::from_millis)
    }

    /// A list of names and values, one after another.
    pub(crate) fn pairs(&mut self) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let Some(Reply::Many(flat)) = self.rest.next() else { return Err(error::unexpected()) };
        let mut pairs = Vec::with_capacity(flat.len() / 2);
        let mut flat = flat.into_iter();
        while let (Some(Reply::Bytes(name)), Some(Reply::Bytes(value))) = (flat.next(), flat.next()) {
            pairs.push((name, value));
        }
        Ok(pairs)
    }
}
