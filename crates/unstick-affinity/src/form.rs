//! In which forms a cookie can be deleted. A browser deletes only what has the same name, `Domain`, `Path` and partition.

use std::{fmt::Write, net::Ipv4Addr};

use crate::{
    catalogue::{self, Form},
    pin::PinCookie,
};

const MAX_NAME: usize = 128;
/// Parent domains and path segments tried, and the bytes of a path.
const MAX_PARENTS: usize = 3;
const MAX_SEGMENTS: usize = 4;
const MAX_PATH: usize = 160;

/// The deletion of one cookie in one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deletion<'a> {
    pub(crate) name: &'a str,
    pub(crate) domain: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) is_cross_site: bool,
    pub(crate) is_partitioned: bool,
}

impl Deletion<'_> {
    /// The value of its `Set-Cookie` line. `Max-Age=0` alone is enough for every current browser.
    pub(crate) fn line(&self) -> String {
        let mut line = String::with_capacity(self.name.len() + self.path.len() + self.domain.map_or(0, str::len) + 80);
        // Writing to a string cannot fail.
        let _ = write!(line, "{}=; Path={}; Max-Age=0", self.name, self.path);
        if let Some(domain) = self.domain {
            let _ = write!(line, "; Domain={domain}");
        }
        if self.is_cross_site {
            line.push_str("; SameSite=None");
        }
        // Without what the prefix of its name promises, browsers refuse a deletion as well.
        let is_http_only = has_prefix(self.name, "__Http-") || has_prefix(self.name, "__Host-Http-");
        if self.is_cross_site || self.is_partitioned || is_http_only || has_prefix(self.name, "__Secure-") || is_host_prefixed(self.name) {
            line.push_str("; Secure");
        }
        if is_http_only {
            line.push_str("; HttpOnly");
        }
        if self.is_partitioned {
            line.push_str("; Partitioned");
        }
        line
    }
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Browsers keep such a cookie only without `Domain` and with `Path=/`.
pub(crate) fn is_host_prefixed(name: &str) -> bool {
    has_prefix(name, "__Host-")
}

/// Whether browsers keep a cookie of this name and it can be deleted by a header line.
pub(crate) fn is_cookie_name(name: &[u8]) -> bool {
    let is_fine = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b';' | b',' | b'"');
    !name.is_empty() && name.len() <= MAX_NAME && name.iter().all(is_fine)
}

/// The host of a request as a cookie's `Domain`; `None` where `Domain` would say nothing new (an address) or nothing sensible.
pub(crate) fn domain_of(host: &str) -> Option<&str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_name = !name.is_empty() && name.len() <= 253 && !name.starts_with('.') && !name.ends_with('.') && name.bytes().all(is_fine);
    (is_name && name.parse::<Ipv4Addr>().is_err()).then_some(name)
}

/// The domains above a host, the nearest first, without the last label alone. Those that belong to nobody (`co.uk`) are refused by browsers.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(host.split_once('.').map(|(_, parent)| parent), |parent| parent.split_once('.').map(|(_, parent)| parent))
        .take_while(|parent| parent.contains('.'))
        .take(MAX_PARENTS)
}

/// The paths above and at a request's path, without the root, the shortest first: each without and with a slash at its end.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let is_fine = |byte: u8| byte.is_ascii_graphic() && byte != b';';
    let end = path.bytes().position(|byte| !is_fine(byte)).unwrap_or(path.len());
    // Of a segment that cannot stand in a cookie, not even the beginning can be a cookie's path.
    let usable = if end == path.len() { end } else { path[..end].rfind('/').unwrap_or(0) };
    let path = if path.starts_with('/') { &path[..usable] } else { "" };
    let ends = path.char_indices().skip(1).filter(|(_, byte)| *byte == '/').map(|(at, _)| at).chain([path.len()]);
    ends.filter(|end| (2..MAX_PATH).contains(end) && !path[..*end].ends_with('/'))
        .take(MAX_SEGMENTS)
        .flat_map(|end| [Some(&path[..end]), path.get(..=end)])
        .flatten()
}

/// The ways in which a configured cookie is deleted with every response.
pub(crate) fn configured<'a>(pin: &'a PinCookie, host: Option<&'a str>) -> Vec<Deletion<'a>> {
    let host = host.filter(|host| !is_host_prefixed(&pin.name) && !pin.domains.iter().any(|domain| domain.eq_ignore_ascii_case(host)));
    let domains = pin.domains.iter().map(|domain| Some(domain.as_str())).chain([None]).chain(host.map(Some));
    let (is_cross_site, is_partitioned) = (pin.is_cross_site, pin.is_partitioned);
    let form = |domain, path| Deletion { name: &pin.name, domain, path, is_cross_site, is_partitioned };
    let root = pin.paths.is_empty().then_some("/");
    domains.flat_map(|domain| root.into_iter().chain(pin.paths.iter().map(String::as_str)).map(move |path| form(domain, path))).collect()
}

/// The likely ways in which a cookie of the catalogue is deleted.
pub(crate) fn catalogued<'a>(name: &'a str, cookie: &catalogue::CataloguedCookie, host: Option<&'a str>) -> Vec<Deletion<'a>> {
    let usable = |form: &&Form| !form.has_domain || host.is_some();
    let deletion = |form: &Form| Deletion {
        name,
        domain: host.filter(|_| form.has_domain),
        path: form.path,
        is_cross_site: cookie.is_cross_site,
        is_partitioned: form.is_partitioned,
    };
    cookie.forms.iter().filter(usable).map(deletion).collect()
}

/// What else a cookie may have been set with, when the `likely` forms did not delete it: first without `Domain` and with the host as
/// `Domain`, then the parent domains, then the same for every path above the request's. `hosts`: the request's, and what a proxy says that
/// the browser asked, if that is another.
///
/// A cookie's path is above the paths of all requests that carry it, and so the lists for two such requests are the same as far as is needed.
pub(crate) fn further<'a>(likely: &[Deletion<'a>], hosts: [Option<&'a str>; 2], path: &'a str) -> Vec<Deletion<'a>> {
    let Some(first) = likely.first() else { return Vec::new() };
    if is_host_prefixed(first.name) {
        return Vec::new();
    }
    let hosts = || hosts.into_iter().flatten();
    let domains = || [None].into_iter().chain(hosts().map(Some)).chain(hosts().flat_map(parents).map(Some));
    // Whatever is for other sites may be partitioned as well, and that is another cookie.
    let twins: &[bool] = if first.is_cross_site { &[false, true] } else { &[first.is_partitioned] };
    let paths = ["/"].into_iter().chain(prefixes(path));
    let forms = paths.flat_map(|path| domains().map(move |domain| (path, domain)));
    let mut found: Vec<Deletion<'a>> = Vec::new();
    for (path, domain) in forms {
        for is_partitioned in twins {
            let deletion = Deletion { domain, path, is_partitioned: *is_partitioned, ..*first };
            if !likely.contains(&deletion) && !found.contains(&deletion) {
                found.push(deletion);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
