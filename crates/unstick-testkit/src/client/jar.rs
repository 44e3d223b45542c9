//! Keeping cookies (RFC 6265bis section 5.7) and sending them (section 5.8.3).

use std::{borrow::Cow, net::Ipv4Addr};

use http::{
    HeaderMap, HeaderValue, Request, Uri,
    header::{COOKIE, SET_COOKIE},
};
use unstick_core::Timestamp;

use super::line::{self, SameSite};
use crate::clock::TestClock;

/// Why a browser does not keep a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Neither name nor value.
    Empty,
    /// A control character somewhere in the line.
    ControlCharacter,
    /// Name and value are longer than 4096 bytes.
    TooLong,
    /// The domain is not the host's own, or is a top-level domain.
    ForeignDomain,
    /// A Secure cookie from an insecure host.
    InsecureHost,
    /// An insecure host may not overwrite a Secure cookie.
    OverwritesSecure,
    /// The name promises more than the attributes keep.
    Prefix,
    /// `SameSite=None` or `Partitioned` without `Secure`.
    NeedsSecure,
}

/// A cookie as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    http_only: bool,
    partitioned: bool,
    same_site: SameSite,
    expires: Option<Timestamp>,
    created: u64,
}

impl Cookie {
    /// Its name, with what is not UTF-8 replaced.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// Its value's bytes.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Its value, with what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }

    /// The host it came from, or the domain it asked for.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether it goes to that very host only.
    #[must_use]
    pub fn is_host_only(&self) -> bool {
        self.host_only
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it goes to secure hosts only.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether scripts cannot see it.
    #[must_use]
    pub fn is_http_only(&self) -> bool {
        self.http_only
    }

    /// Whether it is kept apart by the embedding site.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.partitioned
    }

    /// To which requests from other sites it would be sent.
    #[must_use]
    pub fn same_site(&self) -> SameSite {
        self.same_site
    }

    /// When it goes; `None`: with the browser.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    fn goes_to(&self, target: &Target<'_>, now: Timestamp) -> bool {
        let host = if self.host_only { target.host == self.domain } else { line::domain_matches(&target.host, &self.domain) };
        let alive = self.expires.is_none_or(|expires| expires > now);
        host && alive && line::path_matches(target.path, &self.path) && (target.secure || !self.secure)
    }
}

/// Where a request goes.
struct Target<'a> {
    host: String,
    path: &'a str,
    secure: bool,
}

impl<'a> Target<'a> {
    fn of(uri: &'a Uri) -> Self {
        let host = uri.host().unwrap_or("localhost").to_ascii_lowercase();
        let name = host.strip_suffix(".localhost").map_or(&*host, |_| "localhost");
        // Browsers take loopback for secure: checked with Chromium and curl.
        let loopback = name == "localhost" || host == "[::1]" || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
        Self { secure: loopback || uri.scheme_str() == Some("https"), path: uri.path(), host }
    }
}

/// The cookies of one client. Lines are applied strictly in the order in which they are received.
///
/// Not in it: the list of public suffixes (only top-level domains are refused), and enforcement of `SameSite`.
#[derive(Debug, Clone, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    clock: TestClock,
    received: u64,
}

impl Jar {
    /// An empty jar on the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty jar on a clock that can be moved.
    #[must_use]
    pub fn with_clock(clock: TestClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// The cookie of this name; of several, the one that would be sent first.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Cookie> {
        let mut found: Vec<&Cookie> = self.iter().filter(|cookie| cookie.name == name.as_bytes()).collect();
        found.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.created));
        found.first().copied()
    }

    /// All cookies that have not expired, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Cookie> {
        let now = self.clock.now();
        self.cookies.iter().filter(move |cookie| cookie.expires.is_none_or(|expires| expires > now))
    }

    /// How many cookies there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.cookies.clear();
    }

    /// Takes one `Set-Cookie` line of a response from `uri`.
    ///
    /// # Errors
    /// Why a browser would not keep it. A cookie that expires at once is not refused: it removes the one that is there.
    pub fn set(&mut self, uri: &Uri, line: impl AsRef<[u8]>) -> Result<(), Refusal> {
        let (now, target) = (self.clock.now(), Target::of(uri));
        let line = line::parse(line.as_ref(), now)?;
        let (domain, host_only) = match line.domain.filter(|domain| !domain.is_empty()) {
            Some(domain) if domain == target.host => {
                let alone = !domain.contains('.');
                (domain, alone)
            }
            Some(domain) if !domain.contains('.') || !line::domain_matches(&target.host, &domain) => return Err(Refusal::ForeignDomain),
            Some(domain) => (domain, false),
            None => (target.host.clone(), true),
        };
        let path = line.path.unwrap_or_else(|| line::default_path(target.path).to_owned());
        if line.secure && !target.secure {
            return Err(Refusal::InsecureHost);
        }
        if !line.secure && (line.partitioned || line.same_site == SameSite::None) {
            return Err(Refusal::NeedsSecure);
        }
        let overlaid = |cookie: &&Cookie| {
            let domains = line::domain_matches(&cookie.domain, &domain) || line::domain_matches(&domain, &cookie.domain);
            cookie.secure && cookie.name == line.name && domains && line::path_matches(&path, &cookie.path)
        };
        if !line.secure && !target.secure && self.iter().any(|cookie| overlaid(&cookie)) {
            return Err(Refusal::OverwritesSecure);
        }
        let start = if line.name.is_empty() { &line.value } else { &line.name };
        let promises = |prefix: &[u8]| start.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let host = promises(b"__Host-"); // and with it `__Host-Http-`
        let http = promises(b"__Http-") || promises(b"__Host-Http-");
        let secure = promises(b"__Secure-") || host || http;
        let keeps_host = host_only && line.has_path && path == "/";
        let broken = (secure && !line.secure) || (host && !keeps_host) || (http && !line.http_only);
        if broken || (secure && line.name.is_empty()) {
            return Err(Refusal::Prefix);
        }
        self.received += 1;
        let mut cookie = Cookie {
            name: line.name,
            value: line.value,
            domain,
            host_only,
            path,
            secure: line.secure,
            http_only: line.http_only,
            partitioned: line.partitioned,
            same_site: line.same_site,
            expires: line.expires,
            created: self.received,
        };
        let same = |other: &Cookie| {
            (&other.name, &other.domain, other.host_only, &other.path) == (&cookie.name, &cookie.domain, cookie.host_only, &cookie.path)
        };
        let present = self.cookies.iter().position(same);
        if let Some(position) = present {
            let old = self.cookies.remove(position);
            if old.expires.is_none_or(|expires| expires > now) {
                cookie.created = old.created;
            }
        }
        if cookie.expires.is_none_or(|expires| expires > now) {
            self.cookies.push(cookie);
        }
        Ok(())
    }

    /// Takes all `Set-Cookie` lines of a response from `uri`, in order; the refusals, if there are any.
    pub fn receive(&mut self, uri: &Uri, headers: &HeaderMap) -> Vec<Refusal> {
        headers.get_all(SET_COOKIE).iter().filter_map(|line| self.set(uri, line).err()).collect()
    }

    /// The `Cookie` header of a request to `uri`.
    #[must_use]
    pub fn header(&self, uri: &Uri) -> Option<HeaderValue> {
        let (now, target) = (self.clock.now(), Target::of(uri));
        let mut cookies: Vec<&Cookie> = self.cookies.iter().filter(|cookie| cookie.goes_to(&target, now)).collect();
        cookies.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.created));
        let pairs: Vec<Vec<u8>> = cookies
            .into_iter()
            .map(|cookie| if cookie.name.is_empty() { cookie.value.clone() } else { [&cookie.name[..], b"=", &cookie.value].concat() })
            .collect();
        let text = pairs.join(&b"; "[..]);
        if text.is_empty() { None } else { HeaderValue::from_bytes(&text).ok() }
    }

    /// Puts the `Cookie` header into a request, unless it has one.
    pub fn attach<B>(&self, request: &mut Request<B>) {
        if let (Some(header), false) = (self.header(request.uri()), request.headers().contains_key(COOKIE)) {
            request.headers_mut().insert(COOKIE, header);
        }
    }
}
