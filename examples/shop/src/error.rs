//! Why the shop cannot run, as the one sentence its user reads.

use std::{fmt, process::ExitCode};

/// A sentence and an exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or environment is wrong: exit code 2.
    Usage(String),
    /// The shop could not be started: exit code 1.
    Start(String),
}

impl Failure {
    /// A failed start, from its sentence.
    pub(crate) fn start(sentence: impl Into<String>) -> Self {
        Self::Start(sentence.into())
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Start(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(sentence) | Self::Start(sentence) => f.write_str(sentence),
        }
    }
}
