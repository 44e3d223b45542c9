//! Why a store cannot be had.

use std::{error::Error as StdError, fmt};

use unstick_core::ConfigError;

/// A store cannot be had: its URL is wrong, or what it names cannot be opened. One sentence that says what to write or to mend.
///
/// It never repeats the URL, which may hold a password.
#[derive(Debug)]
pub struct StoreError(ConfigError);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for StoreError {}

impl From<ConfigError> for StoreError {
    fn from(error: ConfigError) -> Self {
        Self(error)
    }
}
