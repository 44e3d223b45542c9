//! Where sessions live: one place, the two of a migration, or those of a replicated store.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer};
use unstick_core::ConfigError;

use super::{
    secret::Secret,
    value::{FromTextOrTable, Time, text_or_table},
};
use crate::store::{StoreOptions, migrate, migrating, options, replicating};

/// A URL, a migration from one to another, or several as one.
#[derive(Debug, Clone)]
pub(super) enum Store {
    Url(Secret),
    Migrate(Migration),
    Replicated(Replicated),
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replicated {
    stores: Vec<Secret>,
    witness: Option<Secret>,
    patience: Option<Time>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    env: Option<String>,
    file: Option<PathBuf>,
    migrate: Option<Migration>,
    replicated: Option<Replicated>,
}

impl FromTextOrTable for Store {
    type Table = Table;
    const EXPECTED: &'static str =
        "the URL of a store, where it is (`env` or `file`), `{ migrate = { from, to, step } }`, or `{ replicated = { stores, witness } }`";

    fn text(text: &str) -> Result<Self, String> {
        Ok(Self::Url(Secret::Given(text.to_owned())))
    }

    fn table(table: Table) -> Result<Self, String> {
        let Table { env, file, migrate, replicated } = table;
        match (migrate, replicated, env.is_some() || file.is_some()) {
            (Some(migration), None, false) => Ok(Self::Migrate(migration)),
            (None, Some(replicated), false) => Ok(Self::Replicated(replicated)),
            (None, None, _) => Secret::at(env, file).map(Self::Url),
            (Some(_), Some(_), _) => Err("`store` has `migrate` and also `replicated`: write one of them".to_owned()),
            (Some(_), None, true) => Err("`store` has `migrate` and also `env` or `file`: write one of them".to_owned()),
            (None, Some(_), true) => Err("`store` has `replicated` and also `env` or `file`: write one of them".to_owned()),
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
            Self::Replicated(Replicated { stores, witness, patience }) => {
                let [a, b] = &stores[..] else {
                    let given = stores.len();
                    return Err(ConfigError::new(format!(
                        "`store.replicated.stores` has {given} URLs: write two, and a third place that decides as `witness`"
                    )));
                };
                let (a, b) = (a.read("store.replicated.stores")?, b.read("store.replicated.stores")?);
                let witness = witness.as_ref().map(|url| url.read("store.replicated.witness")).transpose()?;
                let options = replicating([&a, &b], witness.as_deref());
                Ok(if let Some(Time(patience)) = patience { options.patience(*patience) } else { options })
            }
        }
    }

    /// Refuses a `patience` that leaves an operation no time for all that it may have to ask.
    pub(super) fn check(&self, deadline: Option<Time>) -> Result<(), ConfigError> {
        let Self::Replicated(Replicated { patience, .. }) = self else { return Ok(()) };
        let patience = patience.map_or(Duration::from_millis(250), |Time(patience)| patience);
        let deadline = deadline.map_or(Duration::from_secs(2), |Time(deadline)| deadline);
        if patience.saturating_mul(4) > deadline {
            return Err(ConfigError::new(format!(
                "`store.replicated.patience` is {patience:?} and `deadline` {deadline:?}, but a write may wait for a store that is away three \
                 times: write a `patience` of at most a quarter of `deadline`"
            )));
        }
        Ok(())
    }
}
