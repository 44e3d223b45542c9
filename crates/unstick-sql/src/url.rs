//! `scheme:path?option=value` taken apart, without any driver.

use std::borrow::Cow;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;

use unstick_core::ConfigError;

/// A file database's address.
#[cfg(feature = "sqlite")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileUrl {
    pub(crate) path: PathBuf,
    pub(crate) options: Vec<(String, String)>,
}

/// Takes `sqlite:path`, `sqlite:///absolute` (percent-encoded, with options) or a plain path (taken as it is).
#[cfg(feature = "sqlite")]
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
    let options = pairs(query).map(|(name, value)| Ok((decode(name)?.into_owned(), decode(value)?.into_owned())));
    let options = options.collect::<Result<_, ConfigError>>()?;
    checked(decode(path)?.into_owned().into(), options, scheme)
}

/// The address of a database server, apart from our own options.
#[derive(PartialEq, Eq)]
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) struct NetworkUrl {
    /// For the driver; may hold a password.
    pub(crate) address: String,
    pub(crate) options: Vec<(String, String)>,
}

/// Takes `scheme://user:password@host:port/database?option=value`. Options in `driver` stay in the address. No message repeats
/// the address: it may hold a password.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn network(text: &str, schemes: &[&str], driver: &[&str]) -> Result<NetworkUrl, ConfigError> {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    if !schemes.contains(&scheme) {
        return Err(ConfigError::new(format!(
            "the address must start with `{}://`, as in {}://user:password@host/database",
            schemes[0], schemes[0]
        )));
    }
    let (start, query) = text.split_once('?').unwrap_or((text, ""));
    if is_torn(start.get(scheme.len() + 3..).unwrap_or_default(), query) {
        return Err(ConfigError::new(
            "the user or the password in the address holds a character that ends it; write `%2F` for `/`, `%3F` for `?`, `%23` for `#` and `%40` for `@`",
        ));
    }
    let mut url = NetworkUrl { address: start.to_owned(), options: Vec::new() };
    let mut joint = '?';
    for (name, value) in pairs(query) {
        let plain = decode(name)?;
        if driver.contains(&&*plain) {
            url.address.extend([joint.encode_utf8(&mut [0; 4]), name, "=", value]);
            joint = '&';
        } else {
            url.options.push((plain.into_owned(), decode(value)?.into_owned()));
        }
    }
    Ok(url)
}

/// Whether a login went on behind what looks like the end of the host: the rest of a password would be taken for a path or for
/// options, and be named in a message.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn is_torn(place: &str, query: &str) -> bool {
    let end = place.find(['/', '#']).unwrap_or(place.len());
    let (authority, path) = place.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = host.rsplit_once(']').map_or(host, |(_, behind)| behind).split_once(':').map_or("", |(_, port)| port);
    !port.bytes().all(|byte| byte.is_ascii_digit())
        || path.contains(['@', '#'])
        || (path.is_empty() && !authority.is_empty() && !authority.contains('@') && query.contains('@'))
}

/// An IPv6 address without the brackets that it has in a URL; the driver would ask for a host of that name.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn unbracketed(host: &str) -> Option<String> {
    host.strip_prefix('[')?.strip_suffix(']').map(str::to_owned)
}

/// A whole number out of an address.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn number(name: &str, value: &str) -> Result<u32, ConfigError> {
    value.parse().map_err(|_| ConfigError::new(format!("`{name}` in the address must be a whole number")))
}

/// An option that nobody knows.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a &'a str>) -> ConfigError {
    let known: Vec<_> = known.copied().collect();
    // What is no plain word may be the rest of a password that was torn apart.
    let is_word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-');
    let which = if is_word { format!("an option {name:?}") } else { "an unknown option".to_owned() };
    ConfigError::new(format!("the address has {which}; known are {}", known.join(", ")))
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(feature = "sqlite")]
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
            let digits = tail.get(..2).filter(|two| two.iter().all(u8::is_ascii_hexdigit)).and_then(|two| str::from_utf8(two).ok());
            let digits = digits.ok_or_else(malformed)?;
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

    #[cfg(any(feature = "postgres", feature = "mysql"))]
    #[test]
    fn servers() {
        let parse = |text: &str| network(text, &["postgres", "postgresql"], &["sslmode"]);
        let url = parse("postgres://a:p%40w@h:1/d?sslmode=require&prefix=shop%5F&sslmode=disable").unwrap();
        assert_eq!(url.address, "postgres://a:p%40w@h:1/d?sslmode=require&sslmode=disable");
        assert_eq!(url.options, [("prefix".into(), "shop_".into())]);
        assert_eq!(parse("postgresql:///d").unwrap().address, "postgresql:///d");
        for torn in
            ["a:se?cret@h/d", "a:1?cret&x@h/d", "a:se/cret@h/d?x=1", "a:1/cret@h/d", "a:se#cret@h/d", "a:se/c?ret@h/d", "a:p@se/cret@h:1/d"]
        {
            let error = parse(&format!("postgres://{torn}")).map(|url| url.address).unwrap_err().to_string();
            assert!(error.contains("`%3F` for `?`") && !error.contains("cret"), "{torn}: {error}");
        }
        for whole in ["h", "h:1", "a@h", "a:p@[::1]:1/d", "[::1]/d", "/d?user=a@b", "h/d?user=a@b", "%2Frun%2Fx/d", "a:p@/d"] {
            parse(&format!("postgres://{whole}")).map(|url| url.address).unwrap();
        }
        for wrong in ["mysql://u:secret@h/d", "u:secret@h/d", "postgres:secret", ""] {
            let error = parse(wrong).map(|url| url.address).unwrap_err().to_string();
            assert!(error.contains("postgres://") && !error.contains("secret"), "{error}");
        }
    }

    #[cfg(feature = "sqlite")]
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
        for wrong in ["sqlite:a%2", "sqlite:a%+1", "sqlite:a%zz", "sqlite:a%ff", "sqlite:a%"] {
            assert!(path(wrong).unwrap_err().to_string().contains("%25"), "{wrong}");
        }
        let options = file("sqlite:a.db?prefix=shop_&synchronous=full", "sqlite").unwrap().options;
        assert_eq!(options, [("prefix".into(), "shop_".into()), ("synchronous".into(), "full".into())]);
    }
}
