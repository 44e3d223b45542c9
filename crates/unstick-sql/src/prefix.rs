//! The prefix of table names, so that two applications share one database.

use unstick_core::ConfigError;

/// The prefix in the schema files.
pub(crate) const DEFAULT: &str = "unstick_";

/// Accepts a prefix that is safe to put into a statement.
pub(crate) fn check(prefix: &str) -> Result<(), ConfigError> {
    let mut chars = prefix.chars();
    let starts = chars.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_');
    let rest = chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !starts || !rest || prefix.len() > 32 || prefix.starts_with("sqlite_") {
        return Err(ConfigError::new(format!(
            "`prefix` is {prefix:?}; it must be 1 to 32 of a-z, 0-9 and _, not start with a digit nor with `sqlite_`"
        )));
    }
    Ok(())
}

/// A schema file under another prefix.
pub(crate) fn replace(sql: &str, prefix: &str) -> String {
    sql.replace(DEFAULT, prefix)
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_plain_words() {
        for good in ["unstick_", "a", "_x9"] {
            super::check(good).unwrap();
        }
        for bad in ["", "9a", "a b", "a;--", "Ä", "sqlite_x", "a\"", "A", "a234567890123456789012345678901234"] {
            assert!(super::check(bad).unwrap_err().to_string().contains("prefix"), "{bad}");
        }
    }
}
