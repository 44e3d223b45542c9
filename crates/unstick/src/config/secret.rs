//! Values that must not be seen: given, or named by where they are.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Deserializer};
use unstick_core::ConfigError;

use super::value::{FromTextOrTable, text_or_table};

/// A value, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    Given(String),
    Env(String),
    File(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    env: Option<String>,
    file: Option<PathBuf>,
}

impl Secret {
    /// From `env` and `file`, of which one must be there.
    pub(super) fn at(env: Option<String>, file: Option<PathBuf>) -> Result<Self, String> {
        match (env, file) {
            (Some(name), None) => Ok(Self::Env(name)),
            (None, Some(path)) => Ok(Self::File(path)),
            (Some(_), Some(_)) => Err("`env` and `file` are both given: write one of them".to_owned()),
            (None, None) => Err("nothing is given: write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`".to_owned()),
        }
    }

    /// The value; `setting` is named when it cannot be had.
    pub(super) fn read(&self, setting: &str) -> Result<String, ConfigError> {
        let value = match self {
            Self::Given(value) => value.clone(),
            Self::Env(name) => std::env::var(name).map_err(|_| {
                let name = name.escape_default();
                ConfigError::new(format!(
                    "`{setting}`: the environment variable `{name}` is not set, or is not text; set it, or name another one"
                ))
            })?,
            Self::File(path) => std::fs::read_to_string(path).map_err(|error| {
                let (path, kind) = (path.display(), error.kind());
                ConfigError::new(format!("`{setting}`: the file `{path}` cannot be read ({kind}); mend that, or name another one"))
            })?,
        };
        Ok(value.trim().to_owned())
    }
}

/// Says where it is, never what it is.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str(".."),
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl FromTextOrTable for Secret {
    type Table = Place;
    const EXPECTED: &'static str = "a text, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`";

    fn text(text: &str) -> Result<Self, String> {
        Ok(Self::Given(text.to_owned()))
    }

    fn table(place: Place) -> Result<Self, String> {
        Self::at(place.env, place.file)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_table(deserializer)
    }
}
