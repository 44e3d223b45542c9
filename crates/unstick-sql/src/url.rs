//! `scheme:path?option=value` taken apart, without any driver.

use std::{borrow::Cow, path::PathBuf};

use unstick_core::ConfigError;

/// A file database's address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileUrl {
    pub(crate) path: PathBuf,
    pub(crate) options: Vec<(String, String)>,
}

/// Takes `sqlite:path`, `sqlite:///absolute` (percent-encoded, with options) or a plain path (taken as it is).
pub(crate) fn file(text: &str, scheme: &str) -> Result<FileUrl, ConfigError> {
    let rest = match text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':')) {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => {
            if let Some((other, _)) = text.split_once("://") {
                return Err(ConfigError::new(format!("the address starts with `{other}://`; write `{scheme}:` and the path of a file")));
            }
            return checked(text.into(), Vec::new(), scheme);
        }
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let options = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?.into_owned(), decode(value)?.into_owned()))
        })
        .collect::<Result<_, ConfigError>>()?;
    checked(decode(path)?.into_owned().into(), options, scheme)
}

fn checked(path: PathBuf, options: Vec<(String, String)>, scheme: &str) -> Result<FileUrl, ConfigError> {
    if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
        return Err(ConfigError::new(format!(
            "the address names no file; write `{scheme}:sessions.db`, or use the memory store for sessions that need not outlive the process"
        )));
    }
    Ok(FileUrl { path, options })
}

fn decode(text: &str) -> Result<Cow<'_, str>, ConfigError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let malformed =
        || ConfigError::new("the address holds a `%` that is not followed by two hexadecimal digits of UTF-8; write `%25` for `%`");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = tail.get(..2).and_then(|two| str::from_utf8(two).ok()).ok_or_else(malformed)?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| malformed())?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let path = |text| file(text, "sqlite").map(|url| url.path.display().to_string());
        assert_eq!(path("sqlite:a.db").unwrap(), "a.db");
        assert_eq!(path("sqlite:///var/a%20b.db").unwrap(), "/var/a b.db");
        assert_eq!(path("sqlite://a.db").unwrap(), "a.db");
        assert_eq!(path("/var/100%?.db").unwrap(), "/var/100%?.db", "a plain path is not decoded");
        assert!(path("sqlite:").unwrap_err().to_string().contains("names no file"));
        assert!(path("sqlite::memory:").unwrap_err().to_string().contains("memory store"));
        assert!(path("postgres://x").unwrap_err().to_string().contains("postgres"));
        assert!(path("sqlite:a%2").is_err());
        let options = file("sqlite:a.db?prefix=shop_&synchronous=full", "sqlite").unwrap().options;
        assert_eq!(options, [("prefix".into(), "shop_".into()), ("synchronous".into(), "full".into())]);
    }
}
