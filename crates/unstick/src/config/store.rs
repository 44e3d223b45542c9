//! Where sessions live, and the two places of a migration.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use unstick_core::ConfigError;

use super::{
    secret::Secret,
    value::{FromTextOrTable, Time, text_or_table},
};
use crate::store::{StoreOptions, migrate, migrating, options};

/// A URL, or a migration from one to another.
#[derive(Debug, Clone)]
pub(super) enum Store {
    Url(Secret),
    Migrate(Migration),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Migration {
    from: Secret,
    to: Secret,
    step: Step,
    quiet: Option<Time>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    PreferOld,
    Move,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    env: Option<String>,
    file: Option<PathBuf>,
    migrate: Option<Migration>,
}

impl FromTextOrTable for Store {
    type Table = Table;
    const EXPECTED: &'static str = "the URL of a store, where it is (`env` or `file`), or `{ migrate = { from, to, step } }`";

    fn text(text: &str) -> Result<Self, String> {
        Ok(Self::Url(Secret::Given(text.to_owned())))
    }

    fn table(table: Table) -> Result<Self, String> {
        match table.migrate {
            Some(_) if table.env.is_some() || table.file.is_some() => {
                Err("`store` has `migrate` and also `env` or `file`: write one of them".to_owned())
            }
            Some(migration) => Ok(Self::Migrate(migration)),
            None => Secret::at(table.env, table.file).map(Self::Url),
        }
    }
}

impl<'de> Deserialize<'de> for Store {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_table(deserializer)
    }
}

impl Store {
    pub(super) fn options(&self) -> Result<StoreOptions, ConfigError> {
        match self {
            Self::Url(url) => Ok(options(&url.read("store")?)),
            Self::Migrate(Migration { from, to, step, quiet }) => {
                let step = match step {
                    Step::PreferOld => migrate::Step::PreferOld,
                    Step::Move => migrate::Step::Move,
                };
                let options = migrating(&from.read("store.migrate.from")?, &to.read("store.migrate.to")?, step);
                Ok(if let Some(Time(quiet)) = quiet { options.quiet(*quiet) } else { options })
            }
        }
    }
}
