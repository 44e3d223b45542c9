//! What a URL names. Messages never repeat the URL: it may hold a password.

use unstick_core::ConfigError;

/// A kind of thing that URLs name.
#[derive(Debug)]
pub(crate) struct Place {
    noun: &'static str,
    /// What there is to write.
    kinds: &'static str,
    /// Every scheme, and the feature that it needs.
    schemes: &'static [(&'static str, &'static str)],
}

pub(crate) const STORE: Place = Place {
    noun: "store",
    kinds: "`memory:`, `sqlite:PATH`, `postgres://…`, `mysql://…`, `redis://…` or `token:`",
    schemes: &[
        ("memory", "memory"),
        ("sqlite", "sqlite"),
        ("postgres", "postgres"),
        ("postgresql", "postgres"),
        ("mysql", "mysql"),
        ("mariadb", "mysql"),
        ("redis", "redis"),
        ("redis-sentinel", "redis"),
        ("redis-cluster", "redis"),
        ("rediss", "redis-tls"),
        ("rediss-sentinel", "redis-tls"),
        ("rediss-cluster", "redis-tls"),
        ("token", "token"),
    ],
};

#[cfg(feature = "cache")]
pub(crate) const LEVEL: Place = Place {
    noun: "cache level",
    kinds: "`memory:` or `redis://…`",
    schemes: &[
        ("memory", "cache"),
        ("redis", "redis"),
        ("redis-sentinel", "redis"),
        ("redis-cluster", "redis"),
        ("rediss", "redis-tls"),
        ("rediss-sentinel", "redis-tls"),
        ("rediss-cluster", "redis-tls"),
    ],
};

#[cfg(feature = "cache")]
pub(crate) const BUS: Place = Place {
    noun: "bus",
    kinds: "`memory:`, `redis://…` or `postgres://…`",
    schemes: &[
        ("memory", "cache"),
        ("postgres", "postgres"),
        ("postgresql", "postgres"),
        ("redis", "redis"),
        ("redis-sentinel", "redis"),
        ("redis-cluster", "redis"),
        ("rediss", "redis-tls"),
        ("rediss-sentinel", "redis-tls"),
        ("rediss-cluster", "redis-tls"),
    ],
};

impl Place {
    /// Scheme and rest.
    pub(crate) fn split<'a>(&self, url: &'a str) -> Result<(&'a str, &'a str), ConfigError> {
        let Self { noun, kinds, .. } = self;
        split(url).ok_or_else(|| ConfigError::new(format!("a {noun}'s URL begins with its kind: write {kinds}")))
    }

    /// What to write instead of a scheme that cannot be had, because it is not compiled in or not there at all.
    pub(crate) fn refused(&self, scheme: &str) -> ConfigError {
        let Self { noun, kinds, schemes } = self;
        let lower = scheme.to_ascii_lowercase();
        if lower != scheme && schemes.iter().any(|(known, _)| *known == lower) {
            return ConfigError::new(format!("a {noun}'s URL begins in lower case: write `{lower}:`"));
        }
        ConfigError::new(match scheme {
            "valkey" => format!("`valkey:` is not a {noun}: write `redis:`, Valkey speaks its protocol"),
            "valkeys" => format!("`valkeys:` is not a {noun}: write `rediss:`, Valkey speaks its protocol"),
            "file" if self.has("sqlite") => format!("`file:` is not a {noun}: write `sqlite:PATH`"),
            "redis+sentinel" | "redis+cluster" => format!("`{scheme}:` is not a {noun}: write `{}:`", scheme.replace('+', "-")),
            "jwt" if self.has("token") => format!("`jwt:` is not a {noun}: write `token:`"),
            _ => match schemes.iter().find(|(known, _)| *known == scheme) {
                Some((_, feature)) => return not_compiled_in(&format!("`{scheme}:`"), feature),
                // What stands before the first colon may be anything, a user's name included.
                None => format!("the URL does not begin with a kind of {noun}: write {kinds}"),
            },
        })
    }

    fn has(&self, scheme: &str) -> bool {
        self.schemes.iter().any(|(known, _)| *known == scheme)
    }
}

/// What to write for something that needs a feature.
pub(crate) fn not_compiled_in(what: &str, feature: &str) -> ConfigError {
    ConfigError::new(format!("{what} is not compiled in: write `unstick = {{ features = [\"{feature}\"] }}` in Cargo.toml"))
}

/// Whether two URLs lead to one place, whatever their logins and options.
pub(crate) fn is_one_place(one: &str, other: &str) -> bool {
    one == other || place(one).is_some_and(|one| Some(one) == place(other))
}

/// Where a URL leads, spelt in one way; `None` where that is not clear.
fn place(url: &str) -> Option<String> {
    let shown = shown(url);
    let (scheme, rest) = split(&shown)?;
    let (kind, port) = match scheme {
        "memory" => return Some(scheme.to_owned()),
        "sqlite" => return Some(shown.split('?').next()?.to_owned()),
        "postgres" | "postgresql" => ("postgres", 5432),
        "mysql" | "mariadb" => ("mysql", 3306),
        "redis" | "rediss" => ("redis", 6379),
        "redis-sentinel" | "rediss-sentinel" => ("redis-sentinel", 26379),
        "redis-cluster" | "rediss-cluster" => ("redis-cluster", 6379),
        _ => return None,
    };
    let rest = rest.strip_prefix("//")?;
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    if hosts.is_empty() {
        return None; // an option may name it
    }
    let with_port = |host: &str| {
        let host = host.to_ascii_lowercase();
        if host.rsplit(']').next().is_some_and(|end| end.contains(':')) { host } else { format!("{host}:{port}") }
    };
    let hosts: Vec<String> = hosts.split(',').map(with_port).collect();
    let path = path.trim_end_matches('/');
    let path = if kind == "redis" && path == "0" { "" } else { path };
    Some(format!("{kind}://{}/{path}", hosts.join(",")))
}

fn split(url: &str) -> Option<(&str, &str)> {
    let is_scheme = |text: &str| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    url.split_once(':').filter(|(scheme, _)| is_scheme(scheme))
}

/// A store's URL as it may be printed: without user, password and options. What is not understood is left out.
///
/// ```
/// use unstick::store::shown;
/// assert_eq!(shown("redis://shop:secret@cache:6379/2?prefix=shop:"), "redis://cache:6379/2");
/// assert_eq!(shown("sqlite:shop.sqlite"), "sqlite:shop.sqlite");
/// assert_eq!(shown("redis://:p?a@ss@cache"), "redis");
/// assert_eq!(shown("redis://shop:secret"), "redis");
/// assert_eq!(shown("redis-cluster://a:1,[::1]:2/"), "redis-cluster://a:1,[::1]:2/");
/// ```
#[must_use]
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = split(url) else { return "?".to_owned() };
    let scheme = STORE.schemes.iter().find(|(known, _)| *known == scheme).map_or("?", |(known, _)| *known);
    match scheme {
        "memory" | "sqlite" => url.to_owned(),
        "token" => "token:".to_owned(),
        _ => {
            let Some(place) = rest.strip_prefix("//") else { return scheme.to_owned() };
            let (login, place) = place.rsplit_once('@').unwrap_or(("", place));
            // Whatever is not where it belongs may be part of a password.
            if login.contains(['@', '?', '#', '/']) {
                return scheme.to_owned();
            }
            let place = place.split(['?', '#']).next().unwrap_or_default();
            // A login whose host was forgotten: what stands behind the colon is no port.
            let hosts = place.split('/').next().unwrap_or_default().split(',');
            let mut ports = hosts.filter_map(|host| host.rsplit(']').next()?.split_once(':')).map(|(_, port)| port);
            if !ports.all(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
                return scheme.to_owned();
            }
            format!("{scheme}://{place}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{STORE, shown};

    #[test]
    fn a_url_begins_with_its_scheme() {
        assert_eq!(STORE.split("sqlite:data/x.sqlite?a=1"), Ok(("sqlite", "data/x.sqlite?a=1")));
        assert_eq!(STORE.split("memory:"), Ok(("memory", "")));
        for url in ["", "sessions.sqlite", "./x", "C:\\x", ":x", "a b:c"] {
            assert!(STORE.split(url).unwrap_err().to_string().contains("write `memory:`, `sqlite:PATH`"), "{url}");
        }
    }

    #[test]
    fn every_refusal_says_what_to_write() {
        for scheme in ["REDIS", "valkey", "file", "redis+sentinel", "jwt", "nonsense"] {
            assert!(STORE.refused(scheme).to_string().contains("write `"), "{scheme}");
        }
        for (scheme, feature) in STORE.schemes {
            assert!(STORE.refused(scheme).to_string().contains(&format!("features = [\"{feature}\"]")), "{scheme}");
        }
        assert!(!STORE.refused("hunter2").to_string().contains("hunter2"));
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let secret = [
            "redis://:hunter2@host:1/0",
            "redis://user:hunter2@host?sentinel_password=hunter2",
            "redis-sentinel://host/service?sentinel_password=hunter2",
            "postgres://u:hunter2@h/d?password=hunter2",
            "postgres://u:hun/hunter2@h/d",
            "mysql://u:?hunter2@h/d",
            "mysql://u:#hunter2@h/d",
            "redis://h?sentinel_password=x@hunter2",
            "redis://u:x@hunter2@h",
            "hunter2:x@h",
            "redis:hunter2",
            "token:?revocations=redis%3A%2F%2F%3Ahunter2%40h",
            "hunter2",
        ];
        for url in secret {
            assert!(!shown(url).contains("hunter2"), "{url}: {}", shown(url));
        }
        assert_eq!(shown("postgres://u:p@h:5432/d?a=b"), "postgres://h:5432/d");
    }
}
