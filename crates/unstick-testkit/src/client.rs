//! A cookie jar as browsers keep one.
//!
//! `Set-Cookie` lines are applied strictly in their order. Prefix rules, `Domain`, `Path`, `Max-Age`, `Expires` and the size
//! limits are those of RFC 6265bis; loopback counts as secure, as it does for browsers and curl. `SameSite` is not enforced.
//!
//! ```
//! use unstick_testkit::client::Jar;
//!
//! let mut headers = http::HeaderMap::new();
//! headers.append("set-cookie", "__Host-id=abc; Path=/; Secure; HttpOnly".parse()?);
//! headers.append("set-cookie", "__Host-bad=abc; Path=/; Secure; Domain=localhost".parse()?);
//! let mut jar = Jar::default();
//! jar.keep("localhost", "/", &headers);
//! assert_eq!(jar.cookie_header("localhost", "/any").as_deref(), Some("__Host-id=abc"));
//! headers.clear();
//! headers.append("set-cookie", "__Host-id=; Path=/; Secure; Max-Age=0".parse()?);
//! jar.keep("localhost", "/", &headers);
//! assert_eq!(jar.cookie_header("localhost", "/"), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use http::{HeaderMap, header::SET_COOKIE};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
}

/// A cookie jar. See the [module docs](self).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jar(Vec<Kept>);

impl Jar {
    /// Applies the `Set-Cookie` lines of a response to a request for `path` on `host`.
    pub fn keep(&mut self, host: &str, path: &str, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            if let Some((cookie, dead)) = line.to_str().ok().and_then(|line| accept(line, host, path)) {
                let same = |kept: &Kept| {
                    kept.name == cookie.name
                        && kept.domain == cookie.domain
                        && kept.path == cookie.path
                        && kept.host_only == cookie.host_only
                };
                match self.0.iter().position(same) {
                    Some(at) if dead => {
                        self.0.remove(at);
                    }
                    Some(at) => self.0[at] = cookie,
                    None if dead => {}
                    None => self.0.push(cookie),
                }
            }
        }
    }

    /// The `Cookie` header of a request for `path` on `host`, longest paths first; `None` when no cookie fits.
    #[must_use]
    pub fn cookie_header(&self, host: &str, path: &str) -> Option<String> {
        let fits = |kept: &&Kept| {
            let domain = if kept.host_only { host == kept.domain } else { domain_matches(host, &kept.domain) };
            domain && path_matches(path, &kept.path)
        };
        let mut cookies: Vec<&Kept> = self.0.iter().filter(fits).collect();
        cookies.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pairs: Vec<String> = cookies.iter().map(|kept| format!("{}={}", kept.name, kept.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Puts a cookie in as if the host had set it, host-only, for every path.
    pub fn insert(&mut self, host: &str, name: &str, value: &str) {
        let cookie = Kept { name: name.into(), value: value.into(), domain: host.into(), host_only: true, path: "/".into() };
        self.0.retain(|kept| kept.name != name || kept.domain != host);
        self.0.push(cookie);
    }

    /// The value of a cookie by name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|kept| kept.name == name).map(|kept| kept.value.as_str())
    }
}

fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn path_matches(path: &str, cookie: &str) -> bool {
    path == cookie || path.strip_prefix(cookie).is_some_and(|rest| cookie.ends_with('/') || rest.starts_with('/'))
}

fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(at) if at > 0 => &path[..at],
        _ => "/",
    }
}

/// The cookie and whether it is to be removed; `None` when a browser would refuse the line.
fn accept(line: &str, host: &str, request_path: &str) -> Option<(Kept, bool)> {
    let mut parts = line.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim_matches([' ', '\t']), value.trim_matches([' ', '\t']));
    if name.is_empty() || name.len() + value.len() > 4096 {
        return None;
    }
    let (mut secure, mut http_only, mut none, mut partitioned) = (false, false, false, false);
    let (mut domain, mut path, mut max_age, mut expires): (Option<String>, Option<String>, Option<i64>, Option<bool>) =
        (None, None, None, None);
    for attribute in parts {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        if value.len() > 1024 {
            continue;
        }
        match key.as_str() {
            "secure" => secure = true,
            "httponly" => http_only = true,
            "partitioned" => partitioned = true,
            "samesite" => none = value.eq_ignore_ascii_case("none"),
            "domain" => domain = Some(value.trim_start_matches('.').to_ascii_lowercase()).filter(|domain| !domain.is_empty()),
            "path" => path = value.starts_with('/').then(|| value.to_owned()),
            "max-age" => max_age = value.parse().ok(),
            "expires" => expires = Some(is_past(value)),
            _ => {}
        }
    }
    let prefix = name.to_ascii_lowercase();
    let host_prefix = prefix.starts_with("__host-");
    let refused = (host_prefix && (!secure || domain.is_some() || path.as_deref() != Some("/")))
        || (prefix.starts_with("__secure-") && !secure)
        || ((prefix.starts_with("__http-") || prefix.starts_with("__host-http-")) && !(secure && http_only))
        || (none && !secure)
        || (partitioned && !secure)
        || domain.as_ref().is_some_and(|domain| !domain_matches(host, domain));
    if refused {
        return None;
    }
    let dead = max_age.map_or(expires == Some(true), |seconds| seconds <= 0);
    let kept = Kept {
        name: name.to_owned(),
        value: value.to_owned(),
        host_only: domain.is_none(),
        domain: domain.unwrap_or_else(|| host.to_owned()),
        path: path.unwrap_or_else(|| default_path(request_path).to_owned()),
    };
    Some((kept, dead))
}

/// Whether a date's year is past: all that removals need.
fn is_past(date: &str) -> bool {
    let year = date.split([' ', '-']).find(|part| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_digit()));
    year.and_then(|year| year.parse::<u32>().ok()).is_some_and(|year| year < 2020)
}
