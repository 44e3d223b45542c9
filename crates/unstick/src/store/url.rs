//! Which store a URL names. Messages never repeat the URL: it may hold a password.

use unstick_core::ConfigError;

/// Scheme and rest.
pub(crate) fn split(url: &str) -> Result<(&str, &str), ConfigError> {
    let is_scheme = |text: &str| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    url.split_once(':')
        .filter(|(scheme, _)| is_scheme(scheme))
        .ok_or_else(|| ConfigError::new("a store's URL begins with its kind: write `memory:` or `sqlite:PATH`"))
}

/// What to write instead of a scheme that is not there.
pub(crate) fn unknown(scheme: &str) -> ConfigError {
    ConfigError::new(match scheme {
        "redis" | "rediss" | "valkey" | "postgres" | "postgresql" | "mysql" | "mariadb" => {
            format!("`{scheme}:` is not a store of this release: write `sqlite:PATH`, or pass a store of your own to `AnyStore::foreign`")
        }
        "file" => "`file:` is not a store: write `sqlite:PATH`".to_owned(),
        _ => format!("`{scheme}:` is not a store: write `memory:` or `sqlite:PATH`"),
    })
}

/// What to do about a store that is not compiled in.
#[cfg(any(not(feature = "memory"), not(feature = "sqlite"), test))]
pub(crate) fn missing(scheme: &str) -> ConfigError {
    ConfigError::new(format!("`{scheme}:` is not compiled in: write `unstick = {{ features = [\"{scheme}\"] }}` in Cargo.toml"))
}

#[cfg(test)]
mod tests {
    use super::{missing, split, unknown};

    #[test]
    fn a_url_begins_with_its_scheme() {
        assert_eq!(split("sqlite:data/x.sqlite?a=1"), Ok(("sqlite", "data/x.sqlite?a=1")));
        assert_eq!(split("memory:"), Ok(("memory", "")));
        for url in ["", "sessions.sqlite", "./x", "C:\\x", ":x", "a b:c"] {
            assert!(split(url).unwrap_err().to_string().contains("write `memory:` or `sqlite:PATH`"), "{url}");
        }
    }

    #[test]
    fn every_refusal_says_what_to_write() {
        for scheme in ["redis", "postgres", "file", "nonsense"] {
            assert!(unknown(scheme).to_string().contains("write `"), "{scheme}");
        }
        assert!(missing("sqlite").to_string().contains("features = [\"sqlite\"]"));
    }
}
