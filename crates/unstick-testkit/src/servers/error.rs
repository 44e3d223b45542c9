use std::{error::Error, fmt, io, path::Path};

/// Why a server was not started.
#[derive(Debug)]
pub struct StartError(Reason);

#[derive(Debug)]
enum Reason {
    Missing(String),
    Failed(String),
    Io(&'static str, io::Error),
}

impl StartError {
    pub(crate) fn missing(what: impl Into<String>) -> Self {
        Self(Reason::Missing(what.into()))
    }

    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self(Reason::Failed(what.into()))
    }

    /// A failure with the end of the server's log.
    pub(crate) fn logged(what: &str, log: &Path) -> Self {
        Self::failed(format!("{what}; the end of its log:\n{}", tail(log)))
    }

    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self(Reason::Io(what, error))
    }

    /// Whether a program (or the account that it needs) is not installed: a reason to skip a test. Everything else is a failure.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.0, Reason::Missing(_))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Missing(what) => write!(f, "{what} is not installed"),
            Reason::Failed(what) => f.write_str(what),
            Reason::Io(what, _) => f.write_str(what),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Io(_, error) => Some(error),
            Reason::Missing(_) | Reason::Failed(_) => None,
        }
    }
}

pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
