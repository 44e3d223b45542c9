//! What a request tells before its handler runs.

use std::fmt;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, FORWARDED, HOST, ORIGIN, REFERER},
};
use unstick_core::cookie;

use super::host::{first, forwarded, host_of, host_of_url, is_same_site};

/// Cookies of the name that are compared, at most.
const MAX_COPIES: usize = 8;
/// Cookies of a request that are looked at for another name, at most.
const MAX_PAIRS: usize = 128;
const PREFIXES: [&str; 4] = ["__Host-Http-", "__Host-", "__Secure-", "__Http-"];

/// How often a request carries the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    No,
    Once,
    /// With different values.
    Twice,
}

pub(super) fn carried(headers: &HeaderMap, name: &str) -> Carried {
    let mut values = cookie::candidates(headers, name);
    match values.next() {
        None => Carried::No,
        Some(one) if values.take(MAX_COPIES).any(|other| other != one) => Carried::Twice,
        Some(_) => Carried::Once,
    }
}

/// What a cookie's value looks like, without the value: values that one library makes for one purpose look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    bytes: usize,
    marks: usize,
}

impl Shape {
    pub(super) fn of(value: &[u8]) -> Self {
        // Base64 spreads these at random.
        let is_mark = |byte: &&u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=');
        Self { bytes: value.len(), marks: value.iter().filter(is_mark).count() }
    }
}

/// The name without a prefix that browsers give meaning to.
pub(super) fn base(name: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// The cookie under another name, as far as the request has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OtherName {
    /// The prefix it has, or that the operator has named it.
    pub(super) label: &'static str,
    /// `None`: its name alone tells.
    pub(super) shape: Option<Shape>,
}

fn other_name(headers: &HeaderMap, name: &str, former: &[String]) -> Option<OtherName> {
    let pairs = headers.get_all(COOKIE).into_iter().flat_map(|line| cookie::with_prefix(line.as_bytes(), b""));
    pairs.take(MAX_PAIRS).find_map(|(other, value)| {
        if former.iter().any(|former| former.as_bytes() == other) {
            return Some(OtherName { label: "one of the other names given", shape: None });
        }
        let prefix = PREFIXES.iter().find(|prefix| other.starts_with(prefix.as_bytes()));
        let rest = prefix.map_or(other, |prefix| &other[prefix.len()..]);
        let is_other = rest == base(name).as_bytes() && other != name.as_bytes();
        is_other.then(|| OtherName { label: prefix.map_or("no prefix", |prefix| *prefix), shape: Some(Shape::of(value)) })
    })
}

/// How a request came from another site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crossing {
    /// By a link or redirect.
    Navigation,
    /// By a form that another site sent.
    Post,
}

/// What a request without the cookie tells. Header values are shared with the request, not copied.
pub(super) struct Told {
    method: Method,
    uri: Uri,
    headers: [Option<HeaderValue>; SHOWN],
    pub(super) other_name: Option<OtherName>,
    pub(super) crossing: Option<Crossing>,
    pub(super) has_cookies: bool,
    is_prefetch: bool,
    is_tls: bool,
    is_navigation_known: bool,
    is_browser: bool,
}

/// Headers kept of a request.
const SHOWN: usize = 9;
const NAMES: [HeaderName; SHOWN] = [
    HOST,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-original-host"),
    FORWARDED,
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-prefix"),
    ORIGIN,
    REFERER,
    HeaderName::from_static("sec-fetch-site"),
];

/// Where in [`NAMES`].
#[derive(Debug, Clone, Copy)]
enum At {
    Host,
    ForwardedHost,
    OriginalHost,
    Forwarded,
    Proto,
    Prefix,
    Origin,
    Referer,
    Site,
}

impl Told {
    pub(super) fn of(method: &Method, uri: &Uri, headers: &HeaderMap, name: &str, former: &[String]) -> Self {
        let has = |name: &'static str, wanted: &[u8]| headers.get(name).is_some_and(|value| contains(value.as_bytes(), wanted));
        let mut told = Self {
            method: method.clone(),
            uri: uri.clone(),
            headers: NAMES.map(|name| headers.get(name).cloned()),
            other_name: other_name(headers, name, former),
            crossing: None,
            has_cookies: headers.contains_key(COOKIE),
            is_prefetch: has("sec-purpose", b"prefetch") || has("purpose", b"prefetch") || has("x-moz", b"prefetch"),
            is_tls: has("x-forwarded-ssl", b"on")
                || has("front-end-https", b"on")
                || has("cf-visitor", b"\"https\"")
                || has("cloudfront-forwarded-proto", b"https")
                || has("x-appservice-proto", b"https"),
            is_navigation_known: headers.contains_key("sec-fetch-mode"),
            is_browser: headers.contains_key(ACCEPT_LANGUAGE),
        };
        let is_form = || {
            let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
            kind.starts_with(b"application/x-www-form-urlencoded") || kind.starts_with(b"multipart/form-data")
        };
        let wants_page = || headers.get(ACCEPT).is_some_and(|accept| contains(accept.as_bytes(), b"text/html"));
        let is_page = has("sec-fetch-mode", b"navigate") && headers.get("sec-fetch-dest").is_none_or(|dest| dest == "document");
        told.crossing = if told.is_prefetch {
            None
        } else if told.is_site("cross-site") && is_page {
            Some(if told.method.is_safe() { Crossing::Navigation } else { Crossing::Post })
        } else if told.get(At::Site).is_none() && told.method == Method::POST && is_form() && wants_page() && told.is_foreign_origin() {
            Some(Crossing::Post)
        } else {
            None
        };
        told
    }

    fn get(&self, at: At) -> Option<&HeaderValue> {
        self.headers.get(at as usize).and_then(Option::as_ref)
    }

    fn is_site(&self, site: &str) -> bool {
        self.get(At::Site).is_some_and(|value| value == site)
    }

    /// The host that reached this node.
    pub(super) fn asked_host(&self) -> Option<&str> {
        self.get(At::Host).and_then(|host| host_of(host.as_bytes())).or_else(|| self.uri.host().and_then(|host| host_of(host.as_bytes())))
    }

    /// Hosts that proxies say the browser asked.
    pub(super) fn forwarded_hosts(&self) -> impl Iterator<Item = &str> {
        let listed = [At::OriginalHost, At::ForwardedHost].into_iter().filter_map(|at| host_of(first(self.get(at)?)));
        listed.chain(self.get(At::Forwarded).and_then(|value| forwarded(value, "host")).and_then(host_of))
    }

    /// The host of the page that asked, when the browser says that it is the same.
    pub(super) fn browser_host(&self) -> Option<&str> {
        let url = |at| self.get(at).and_then(|value| host_of_url(value.as_bytes())).map(|(host, _)| host);
        self.is_site("same-origin").then(|| url(At::Origin).or_else(|| url(At::Referer))).flatten()
    }

    fn hosts(&self) -> impl Iterator<Item = &str> {
        self.forwarded_hosts().chain(self.asked_host())
    }

    fn is_foreign_origin(&self) -> bool {
        let origin = self.get(At::Origin).and_then(|value| host_of_url(value.as_bytes()));
        origin.is_some_and(|(origin, _)| self.hosts().next().is_some() && !self.hosts().any(|host| is_same_site(origin, host)))
    }

    /// Whether a browser came over plain HTTP, by what proxies say and nothing contradicts. Probes, which don't say their
    /// language, have no session to lose.
    pub(super) fn is_plain_http(&self) -> bool {
        let listed = self.get(At::Proto).map(first);
        let standard = self.get(At::Forwarded).and_then(|value| forwarded(value, "proto"));
        let mut said = [listed, standard].into_iter().flatten().peekable();
        // Browsers send Sec-Fetch to trustworthy origins only.
        let is_secure = self.is_tls || self.get(At::Site).is_some() || self.is_navigation_known;
        let is_https_page = [At::Origin, At::Referer].iter().any(|at| {
            let url = self.get(*at).and_then(|value| host_of_url(value.as_bytes()));
            url.is_some_and(|(host, is_https)| is_https && self.hosts().any(|own| own.eq_ignore_ascii_case(host)))
        });
        self.is_browser && said.peek().is_some() && said.all(|proto| proto.eq_ignore_ascii_case(b"http")) && !is_secure && !is_https_page
    }

    pub(super) fn is_local(&self) -> bool {
        self.hosts().any(super::host::is_local)
    }

    /// Whether it can start a session that a user would miss.
    pub(super) fn is_by_user(&self) -> bool {
        !self.is_prefetch && !matches!(self.method, Method::HEAD | Method::OPTIONS | Method::TRACE | Method::CONNECT)
    }

    /// Whether a browser sent it from a page that it had from here.
    pub(super) fn is_mid_visit(&self) -> bool {
        let is_from_here = || {
            let referer = self.get(At::Referer).and_then(|value| host_of_url(value.as_bytes()));
            referer.is_some_and(|(page, _)| self.hosts().any(|host| host.eq_ignore_ascii_case(page)))
        };
        self.is_by_user() && (self.is_site("same-origin") || (self.get(At::Site).is_none() && is_from_here()))
    }

    pub(super) fn path(&self) -> &[u8] {
        self.uri.path().as_bytes()
    }

    /// What a proxy has cut off the path.
    pub(super) fn cut_prefix(&self) -> Option<&[u8]> {
        self.get(At::Prefix).map(first).map(|prefix| prefix.strip_suffix(b"/").unwrap_or(prefix)).filter(|prefix| prefix.starts_with(b"/"))
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths and pages may hold what a user would not tell.
        f.debug_struct("Told").field("crossing", &self.crossing).field("has_cookies", &self.has_cookies).finish_non_exhaustive()
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}
