//! Errors that the store itself finds. What the server and the connection report is put into kinds by the client.

use unstick_core::{Error, ErrorKind};

pub(crate) fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "a stored session record cannot be read")
}

pub(crate) fn unknown_format() -> Error {
    Error::new(ErrorKind::UnknownFormat, "a stored session record was written by a newer release")
}

/// A script and the reference rules do not agree.
pub(crate) fn disagreement() -> Error {
    Error::new(ErrorKind::Internal, "a script of the session store judged a change otherwise than its caller")
}

pub(crate) fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "a script of the session store answered in an unexpected shape")
}

pub(crate) fn empty_name() -> Error {
    Error::new(ErrorKind::Codec, "a session key must not be empty")
}

pub(crate) fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "a session on redis must stay below 512 MB, names and principals below 64 KB")
}
