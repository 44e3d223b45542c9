//! How a case fails: as a value, so that broken stores can be run through the suite without panics.

use std::{fmt, panic::Location, sync::Arc};

use tokio::sync::Barrier;
use unstick_core::{Error, Fields, LiveSession, Loaded};

/// What a case found wrong, and where in the case.
#[derive(Debug, Clone)]
pub struct Failure {
    message: String,
    at: &'static Location<'static>,
}

/// What a case comes to.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// A failure at the caller's line.
    #[must_use]
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: Location::caller() }
    }
}

impl From<Error> for Failure {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::new(format!("the store could not answer: {error:?}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.message, self.at.file(), self.at.line())
    }
}

impl std::error::Error for Failure {}

/// The live session in an answer.
///
/// # Errors
/// When the answer is another one.
#[track_caller]
pub fn live(loaded: Loaded) -> Result<LiveSession, Failure> {
    match loaded {
        Loaded::Live(session) => Ok(session),
        other => Err(Failure::new(format!("the session should live, but it is {other:?}"))),
    }
}

/// The bytes of a field.
pub(crate) fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    fields.get(name).map(|field| &field.value[..])
}

macro_rules! check {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err($crate::contract::Failure::new(format!($($why)+)));
        }
    };
}

macro_rules! check_eq {
    ($is:expr, $should:expr, $($why:tt)+) => {
        match (&$is, &$should) {
            (is, should) => {
                if *is != *should {
                    return Err($crate::contract::Failure::new(format!("{}: {is:?} instead of {should:?}", format_args!($($why)+))));
                }
            }
        }
    };
}

macro_rules! check_matches {
    ($is:expr, $should:pat, $($why:tt)+) => {{
        let is = &$is;
        if !matches!(is, $should) {
            let why = format_args!($($why)+).to_string();
            return Err($crate::contract::Failure::new(format!("{why}: {is:?} instead of {}", stringify!($should))));
        }
    }};
}

pub(crate) use {check, check_eq, check_matches};

/// What a task came to; a panic in it is a failure of the case.
#[track_caller]
pub(crate) fn joined<T>(task: Result<T, tokio::task::JoinError>) -> Result<T, Failure> {
    task.map_err(|error| Failure::new(format!("a task of the case was cut: {error}")))
}

/// For `count` tasks that begin when all of them are there: tasks spawned one after the other tend to run one after the other.
pub(crate) fn together(count: usize) -> Arc<Barrier> {
    Arc::new(Barrier::new(count))
}
