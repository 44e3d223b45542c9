//! Every decision of the layer as a function of plain values.

use std::{fmt::Write, net::Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::SET_COOKIE};
use unstick_core::HeaderBudget;

use crate::{
    catalogue::{self, Form},
    pin::PinCookie,
};

/// Lines per response.
pub(crate) const MAX_LINES: usize = 8;
/// Bytes of these lines.
pub(crate) const MAX_BYTES: usize = 1024;
/// Different pins looked at per request.
const MAX_SEEN: usize = 8;
const MAX_NAME: usize = 128;

/// A pin cookie that a request carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenPin {
    pub(crate) name: String,
    /// The catalogue's name of the product, or the configured cookie's name.
    pub(crate) product: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Catalogue(&'static catalogue::Product, &'static catalogue::CataloguedCookie),
    Configured(usize),
}

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
        let has_prefix = |prefix: &str| self.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let mut line = format!("{}=; Path={}; Max-Age=0", self.name, self.path);
        if let Some(domain) = self.domain {
            // Writing to a string cannot fail.
            let _ = write!(line, "; Domain={domain}");
        }
        if self.is_cross_site {
            line.push_str("; SameSite=None");
        }
        if self.is_cross_site || self.is_partitioned || has_prefix("__Secure-") || has_prefix("__Host-") {
            line.push_str("; Secure");
        }
        if self.is_partitioned {
            line.push_str("; Partitioned");
        }
        line
    }
}

/// Whether browsers keep a cookie of this name and it can be deleted by a header line.
pub(crate) fn is_cookie_name(name: &[u8]) -> bool {
    let is_fine = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b';' | b',' | b'"');
    !name.is_empty() && name.len() <= MAX_NAME && name.iter().all(is_fine)
}

/// The names of a request's cookies, exactly as sent.
fn cookie_names(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let pairs = headers.get_all(http::header::COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| pair.split(|byte| *byte == b'=').next()).map(trimmed)
}

fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The pins that a request carries, each name once. Allocates nothing for a request without pins.
pub(crate) fn seen_pins(headers: &HeaderMap, configured: &[PinCookie]) -> Vec<SeenPin> {
    let mut seen: Vec<SeenPin> = Vec::new();
    for name in cookie_names(headers) {
        let own = configured.iter().position(|pin| pin.name.as_bytes() == name).map(Origin::Configured);
        let origin = own.or_else(|| catalogue::find(name).map(|(product, cookie)| Origin::Catalogue(product, cookie)));
        if let Some(product) = origin
            && is_cookie_name(name)
            && let Ok(name) = str::from_utf8(name)
            && seen.len() < MAX_SEEN
            && !seen.iter().any(|pin| pin.name == name)
        {
            seen.push(SeenPin { name: name.to_owned(), product });
        }
    }
    seen
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

/// Whether a response may carry deletions: no shared cache may keep them for other users, and a 304 or 1xx updates what was sent before.
pub(crate) fn may_expire(status: StatusCode, headers: &HeaderMap) -> bool {
    const CACHE_CONTROL: HeaderName = http::header::CACHE_CONTROL;
    // Vendors put their names in front of the standard's (RFC 9213).
    let is_targeted = |name: &HeaderName| name.as_str().ends_with("cdn-cache-control") || name.as_str() == "surrogate-control";
    let is_for_cdn = |name: &HeaderName| is_targeted(name) && !has_directive(headers, name, &["private", "no-store"]);
    let is_public = has_directive(headers, &CACHE_CONTROL, &["public", "s-maxage"]);
    !(status.is_informational() || status == StatusCode::NOT_MODIFIED || is_public || headers.keys().any(is_for_cdn))
}

fn has_directive(headers: &HeaderMap, name: &HeaderName, wanted: &[&str]) -> bool {
    let directives = headers.get_all(name).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let names = directives.filter_map(|directive| directive.split(|byte| *byte == b'=').next()).map(trimmed);
    names.into_iter().any(|name| wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes())))
}

/// Whether the handler sets a cookie of this name itself.
fn is_set_by_handler(headers: &HeaderMap, name: &str) -> bool {
    let lines = headers.get_all(SET_COOKIE).into_iter();
    let names = lines.filter_map(|line| line.as_bytes().split(|byte| matches!(byte, b'=' | b';')).next());
    names.map(trimmed).any(|set| set == name.as_bytes())
}

/// One line to add, or to report as dropped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decided<'a> {
    /// Catalogue name of the product, or the configured cookie's name.
    pub(crate) product: &'a str,
    /// `None`: there was no room.
    pub(crate) line: Option<HeaderValue>,
}

/// The lines to add to a response. The likeliest form of every cookie comes before the second of any, configured cookies before seen ones.
pub(crate) fn deletions<'a>(
    configured: &'a [PinCookie],
    seen: &'a [SeenPin],
    host: Option<&'a str>,
    response: &HeaderMap,
    shared: &mut HeaderBudget,
) -> Vec<Decided<'a>> {
    let own = configured.iter().map(|pin| (pin.name.as_str(), pin.name.as_str(), configured_forms(pin, host)));
    let found = seen.iter().filter_map(|pin| match pin.product {
        Origin::Catalogue(product, cookie) if cookie.is_deleted_when_seen => {
            Some((product.name, pin.name.as_str(), catalogued_forms(&pin.name, cookie, host)))
        }
        _ => None,
    });
    let mut cookies: Vec<_> = own.chain(found).filter(|(_, name, _)| !is_set_by_handler(response, name)).collect();
    cookies.iter_mut().for_each(|(_, _, forms)| forms.reverse());

    let (mut decided, mut lines, mut ours) = (Vec::new(), 0, HeaderBudget::new(MAX_BYTES));
    while cookies.iter().any(|(_, _, forms)| !forms.is_empty()) {
        for (product, _, forms) in &mut cookies {
            let Some(value) = forms.pop().and_then(|deletion| HeaderValue::try_from(deletion.line()).ok()) else { continue };
            let bytes = HeaderBudget::line(SET_COOKIE.as_str().len(), value.len());
            let has_room = lines < MAX_LINES && ours.left() >= bytes && shared.take(bytes);
            if has_room {
                ours.take(bytes);
                lines += 1;
            }
            decided.push(Decided { product, line: has_room.then_some(value) });
        }
    }
    decided
}

fn configured_forms<'a>(pin: &'a PinCookie, host: Option<&'a str>) -> Vec<Deletion<'a>> {
    let is_host_only = pin.name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("__Host-"));
    let host = host.filter(|host| !is_host_only && !pin.domains.iter().any(|domain| domain == host));
    let domains = pin.domains.iter().map(|domain| Some(domain.as_str())).chain([None]).chain(host.map(Some));
    let paths: Vec<&str> = if pin.paths.is_empty() { vec!["/"] } else { pin.paths.iter().map(String::as_str).collect() };
    let (is_cross_site, is_partitioned) = (pin.is_cross_site, pin.is_partitioned);
    let form = |domain, path| Deletion { name: &pin.name, domain, path, is_cross_site, is_partitioned };
    domains.flat_map(|domain| paths.iter().map(move |path| form(domain, path))).collect()
}

fn catalogued_forms<'a>(name: &'a str, cookie: &'static catalogue::CataloguedCookie, host: Option<&'a str>) -> Vec<Deletion<'a>> {
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

#[cfg(test)]
mod tests;
