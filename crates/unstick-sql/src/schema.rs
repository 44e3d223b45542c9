//! The steps of a schema, and what the step that the tables are at means.

use unstick_core::ConfigError;

/// One step of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaFile {
    /// Its number; the tables are at the highest number that was run.
    pub version: i64,
    /// Its file name.
    pub name: &'static str,
    /// Its statements, for the prefix `unstick_`. To be run in one transaction, where the database has transactions for
    /// such statements; it enters its own number into `unstick_schema`.
    pub sql: &'static str,
}

/// Who runs the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tables {
    /// This store does.
    #[default]
    Made,
    /// Somebody else did.
    Expected,
}

/// What is to be done about tables at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: they are at the newest.
    Stay,
    /// The steps after the present one are to be run.
    Upgrade,
}

/// Judges tables at `current`, 0 when there are none. `place` names the database, as "the session database X".
pub(crate) fn judge(steps: &[SchemaFile], current: i64, tables: Tables, place: &str, prefix: &str) -> Result<Step, ConfigError> {
    let newest = steps.last().map_or(0, |file| file.version);
    match current {
        current if current == newest => Ok(Step::Stay),
        older if older < newest && tables == Tables::Made => Ok(Step::Upgrade),
        0 => Err(ConfigError::new(format!(
            "{place} has no tables with the prefix `{prefix}`; run the schema files first, or let the store make them by leaving out `existing_tables`"
        ))),
        older if older < newest => Err(ConfigError::new(format!(
            "the tables with the prefix `{prefix}` in {place} are at schema {older}, but this release needs {newest}; run the newer schema files first"
        ))),
        newer => Err(ConfigError::new(format!(
            "the tables with the prefix `{prefix}` in {place} are at schema {newer}, but this release knows only {newest}; start the newer release"
        ))),
    }
}
