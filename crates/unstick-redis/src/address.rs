//! Addresses of Redis servers, taken apart without any client library.
//!
//! `scheme://[[user]:password@]host[:port][,host[:port]..][/path][?option=value&..]`. Everything but commas, colons and slashes in their
//! places may be percent-encoded. Messages about mistakes never repeat the part that may hold a password.

use std::{borrow::Cow, fmt};

use unstick_core::ConfigError;

/// What the servers are to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arrangement {
    Single,
    /// The hosts are sentinels.
    Sentinel {
        service: String,
    },
    Cluster,
}

/// A secret that does not show.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) arrangement: Arrangement,
    pub(crate) tls: bool,
    pub(crate) hosts: Vec<(String, u16)>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Option<u8>,
    /// In the order in which they are written.
    pub(crate) options: Vec<(String, Secret)>,
}

impl Address {
    /// Takes an address apart.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(error("the address of Redis has no scheme; write for example `redis://127.0.0.1:6379`"));
        };
        let (tls, kind) = match scheme {
            "redis" => (false, Kind::Single),
            "rediss" => (true, Kind::Single),
            "redis-sentinel" => (false, Kind::Sentinel),
            "rediss-sentinel" => (true, Kind::Sentinel),
            "redis-cluster" => (false, Kind::Cluster),
            "rediss-cluster" => (true, Kind::Cluster),
            _ => {
                return Err(error(
                    "the address of Redis has an unknown scheme; write `redis`, `redis-sentinel` or `redis-cluster`, or the same with `rediss` for TLS",
                ));
            }
        };
        // what is left of this character may hold a password, so nothing may be said of it
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if tail.contains('@') {
            return Err(error(
                "the address of Redis has an `@` after a `/`, `?` or `#`; in user names, passwords and options write these four percent-encoded: %40, %2F, %3F, %23",
            ));
        }
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        if tail.contains('#') {
            return Err(error("the address of Redis has a `#`; write it percent-encoded: %23"));
        }
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let (user, password) = login.map(credentials).transpose()?.unwrap_or_default();
        let default_port = if kind == Kind::Sentinel { 26379 } else { 6379 };
        let hosts = hosts.split(',').map(|host| host_and_port(host, default_port)).collect::<Result<Vec<_>, _>>()?;
        if kind == Kind::Single && hosts.len() > 1 {
            return Err(error(
                "the address of Redis names several hosts; write `redis-cluster://` for a cluster or `redis-sentinel://` for sentinels, or name one host",
            ));
        }
        let (arrangement, database) = arrangement(kind, path)?;
        Ok(Self { arrangement, tls, hosts, user, password, database, options: options(query)? })
    }

    /// Host and port of each, for messages.
    pub(crate) fn places(&self) -> String {
        let places: Vec<String> = self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        places.join(", ")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Sentinel,
    Cluster,
}

fn error(sentence: &'static str) -> ConfigError {
    ConfigError::new(sentence)
}

fn credentials(login: &str) -> Result<(Option<String>, Option<Secret>), ConfigError> {
    let Some((user, password)) = login.split_once(':') else {
        return Err(error(
            "the address of Redis has a user or a password alone before the `@`; write `user:password@`, or `:password@` for the default user",
        ));
    };
    if password.is_empty() {
        return Err(error("the address of Redis has an empty password; write `user:password@`, or leave out everything up to the `@`"));
    }
    let user = decode(user)?.into_owned();
    Ok(((!user.is_empty()).then_some(user), Some(Secret(decode(password)?.into_owned()))))
}

fn host_and_port(text: &str, default_port: u16) -> Result<(String, u16), ConfigError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, port)) = rest.split_once(']') else {
                return Err(error("the address of Redis has a `[` without `]`; write IPv6 addresses as `[::1]:6379`"));
            };
            (host, port.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(error("the address of Redis has too many colons in a host; write IPv6 addresses as `[::1]:6379`"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let host = decode(host)?.into_owned();
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(error("the address of Redis names no host where there should be one; write for example `redis://127.0.0.1:6379`"));
    }
    let port = port.map_or(Ok(default_port), |port| match port.parse() {
        Ok(0) | Err(_) => Err(error(
            "the port in the address of Redis is not a number from 1 to 65535; if a password was meant, write `:password@` before the host, percent-encoded",
        )),
        Ok(port) => Ok(port),
    })?;
    Ok((host, port))
}

fn arrangement(kind: Kind, path: &str) -> Result<(Arrangement, Option<u8>), ConfigError> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let number = |text: &str| {
        text.parse::<u8>()
            .map_err(|_| error("the path in the address of Redis is not a database number from 0 to 255; write for example `/0`"))
    };
    match (kind, parts.as_slice()) {
        (Kind::Single, []) => Ok((Arrangement::Single, None)),
        (Kind::Single, [database]) => Ok((Arrangement::Single, Some(number(database)?))),
        (Kind::Single, _) => Err(error("the path in the address of Redis has too many parts; write the database number alone, as in `/0`")),
        (Kind::Sentinel, [service]) => Ok((Arrangement::Sentinel { service: decode(service)?.into_owned() }, None)),
        (Kind::Sentinel, [service, database]) => {
            Ok((Arrangement::Sentinel { service: decode(service)?.into_owned() }, Some(number(database)?)))
        }
        (Kind::Sentinel, _) => Err(error(
            "a `redis-sentinel` address must name the service that the sentinels watch, and may name a database: write `redis-sentinel://host:26379/mymaster` or `../mymaster/0`",
        )),
        (Kind::Cluster, [] | ["0"]) => Ok((Arrangement::Cluster, None)),
        (Kind::Cluster, _) => {
            Err(error("a `redis-cluster` address cannot choose a database: a cluster has only number 0; leave the path out"))
        }
    }
}

fn options(query: &str) -> Result<Vec<(String, Secret)>, ConfigError> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?.into_owned(), Secret(decode(value)?.into_owned())))
        })
        .collect()
}

fn decode(text: &str) -> Result<Cow<'_, str>, ConfigError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).filter(|digits| !digits.starts_with('+'));
        let Some(decoded) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return Err(error("the address of Redis has a `%` that is not followed by two hexadecimal digits; write a plain `%` as %25"));
        };
        bytes.push(decoded);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| error("the address of Redis has percent-encoded bytes that are not UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn every_part_has_its_place() {
        let address = parsed("rediss-sentinel://us%65r:p%40ss%2F@a,b:1,[::1]:2/my%20master/3?prefix=shop&x");
        assert_eq!(address.arrangement, Arrangement::Sentinel { service: "my master".into() });
        assert!(address.tls);
        assert_eq!(address.hosts, [("a".into(), 26379), ("b".into(), 1), ("::1".into(), 2)]);
        assert_eq!((address.user.as_deref(), address.password), (Some("user"), Some(Secret("p@ss/".into()))));
        assert_eq!(address.database, Some(3));
        assert_eq!(address.options, [("prefix".into(), Secret("shop".into())), ("x".into(), Secret(String::new()))]);
        let address = parsed("redis://:word@localhost/15");
        assert_eq!((address.user, address.password, address.database), (None, Some(Secret("word".into())), Some(15)));
        assert_eq!(address.hosts, [("localhost".into(), 6379)]);
        assert_eq!(parsed("redis-cluster://a:1,b").hosts.len(), 2);
        assert_eq!(parsed("redis-cluster://a:1,b").places(), "a:1, b:6379");
        assert_eq!(parsed("redis://u:a:b@h").password, Some(Secret("a:b".into())), "only the first colon parts");
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, part) in [
            ("localhost:6379", "redis://127.0.0.1:6379"),
            ("http://localhost", "redis-cluster"),
            ("redis://word@localhost", ":password@"),
            ("redis://user:@localhost", "user:password@"),
            ("redis://a,b", "redis-cluster://"),
            ("redis://a:b", "1 to 65535"),
            ("redis://a:0", "1 to 65535"),
            ("redis://", "names no host"),
            ("redis://::1", "[::1]"),
            ("redis://[::1", "[::1]"),
            ("redis://a/x", "/0"),
            ("redis://a/0/1", "/0"),
            ("redis-sentinel://a", "/mymaster"),
            ("redis-cluster://a/1", "leave the path out"),
            ("redis://a?x=%2", "%25"),
            ("redis://a?x=%ff", "UTF-8"),
            ("redis://a#x", "%23"),
        ] {
            let said = Address::parse(text).unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    proptest! {
        /// However the password is written, right or wrong, no message and no Debug output holds it.
        #[test]
        fn passwords_do_not_show(before in "[a-z:/?#%@&=]{0,4}", after in "[a-z:/?#%@&=,\\[]{0,6}", scheme in "(redis|rediss-sentinel|redis-cluster|other)") {
            let text = format!("{scheme}://u:{before}geheim{after}@host:1/m?prefix=x");
            match Address::parse(&text) {
                Ok(address) => prop_assert!(!format!("{address:?}").contains("geheim"), "{address:?}"),
                Err(error) => prop_assert!(!error.to_string().contains("geheim"), "{error}"),
            }
        }

        #[test]
        fn anything_is_answered(text in "(redis|rediss|redis-sentinel|redis-cluster)://[ -~é]{0,40}") {
            _ = Address::parse(&text);
        }
    }
}
