//! What one request and its response show, as a function of plain values.

use http::{
    HeaderMap,
    header::{LOCATION, SET_COOKIE},
};

use super::{
    FindingKind,
    host::{domain_matches, is_public},
    line::{Line, SameSite, path_matches},
    told::{Crossing, Shape, Told},
};

/// Bytes of an attribute or host that a detail repeats.
const MAX_SHOWN: usize = 80;

/// A request without the cookie, or only what is known of one that had it, and its response.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) name: &'a str,
    /// `None`: the request carried the cookie, so that browsers keep and send it.
    pub(super) told: Option<&'a Told>,
    pub(super) is_https: bool,
    pub(super) response: &'a HeaderMap,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: FindingKind,
    pub(super) detail: String,
    /// Nothing but the `Host` speaks for it, and proxies change that: only while no cookie comes back.
    pub(super) is_doubtful: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// A client without the cookie got one.
    pub(super) is_new: bool,
    /// ... and is a browser that had been here just before.
    pub(super) is_mid_visit: bool,
    pub(super) findings: Vec<Found>,
}

impl Verdict {
    fn note(&mut self, kind: FindingKind, detail: String) {
        self.findings.push(Found { kind, detail, is_doubtful: false });
    }
}

/// Judges an exchange. Allocates nothing when the response sets no cookie of the name.
pub(super) fn judge(exchange: &Exchange<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let mut lines = exchange.response.get_all(SET_COOKIE).into_iter().map(|line| Line::parse(line.as_bytes()));
    // Of several lines of one name, browsers keep the last.
    let Some(line) = lines.rfind(|line| line.name == exchange.name.as_bytes()).filter(|line| !line.is_removal) else {
        return verdict;
    };
    if let Some(refusal) = line.refusal() {
        verdict.note(FindingKind::RefusedByBrowser, refusal.to_owned());
    }
    let Some(told) = exchange.told.filter(|told| told.is_by_user()) else { return verdict };
    verdict.is_new = true;
    verdict.is_mid_visit = told.is_mid_visit();
    if line.is_secure && !exchange.is_https && told.is_plain_http() && !told.is_local() && !leads_to_https(exchange.response) {
        verdict.note(FindingKind::SecureOverHttp, "Secure cookie to a client of which a proxy says http".to_owned());
    }
    verdict.findings.extend(domain(&line, told));
    verdict.findings.extend(path(&line, told));
    if let Some(detail) = same_site(&line, told) {
        verdict.note(FindingKind::SameSiteLost, detail.to_owned());
    }
    if let Some(other) = told.other_name.filter(|other| other.shape.is_none_or(|shape| shape == Shape::of(line.value))) {
        verdict.note(FindingKind::NameMismatch, format!("the other cookie's name has {}", other.label));
    }
    verdict
}

/// Such a response is a step on the way: the next request starts the session that counts.
fn leads_to_https(response: &HeaderMap) -> bool {
    response.get(LOCATION).is_some_and(|to| to.as_bytes().get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"https://")))
}

fn domain(line: &Line<'_>, told: &Told) -> Option<Found> {
    let domain = line.domain?;
    let fits = |host: &str| domain_matches(host, domain);
    let found = |browser: &str, is_doubtful| {
        let is_rewritten = told.asked_host().is_some_and(|asked| !asked.eq_ignore_ascii_case(browser) && fits(asked));
        let cause = if is_rewritten { "; it matches the Host that the balancer put in its place" } else { "" };
        let detail = format!("Domain={}, and the browser asked {}{cause}", shown(domain), shown(browser.as_bytes()));
        Some(Found { kind: FindingKind::DomainMismatch, detail, is_doubtful })
    };
    if let Some(browser) = told.browser_host() {
        return if fits(browser) { None } else { found(browser, false) };
    }
    let mut forwarded = told.forwarded_hosts().peekable();
    if let Some(browser) = forwarded.peek().copied() {
        return if forwarded.any(fits) { None } else { found(browser, false) };
    }
    let asked = told.asked_host()?;
    if fits(asked) || !is_public(asked) { None } else { found(asked, true) }
}

fn path(line: &Line<'_>, told: &Told) -> Option<Found> {
    // Only a browser in the middle of its visit could have had the cookie.
    if !told.is_mid_visit() {
        return None;
    }
    let outer = told.cut_prefix().map(|prefix| [prefix, told.path()].concat());
    let outside = outer.as_deref().unwrap_or(told.path());
    let path = line.effective_path(outside);
    let detail = match line.path {
        Some(path) if !path_matches(outside, path) => format!("Path={} leaves out the path of the request that set it", shown(path)),
        None if path != b"/" => "no Path: the cookie is for the folder of the request that set it".to_owned(),
        _ => return None,
    };
    Some(Found { kind: FindingKind::PathMismatch, detail, is_doubtful: false })
}

fn same_site(line: &Line<'_>, told: &Told) -> Option<&'static str> {
    match (told.crossing?, line.same_site) {
        // A first visit from a search engine looks alike, but for the cookies that a former visit has left.
        (Crossing::Navigation, SameSite::Strict) if told.has_cookies => Some("SameSite=Strict, and a link or redirect from another site"),
        (Crossing::Post, SameSite::Strict) => Some("SameSite=Strict, and a form sent by another site"),
        (Crossing::Post, SameSite::Lax) => Some("SameSite=Lax, and a form sent by another site"),
        (Crossing::Post, SameSite::Unsaid) => Some("no SameSite, which browsers take for Lax, and a form sent by another site"),
        _ => None,
    }
}

/// Text from the outside, for people.
fn shown(text: &[u8]) -> String {
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/' | b':' | b'[' | b']');
    text.iter().take(MAX_SHOWN).map(|byte| if is_fine(byte) { char::from(*byte) } else { '?' }).collect()
}

#[cfg(test)]
mod tests;
