//! Parsing one `Set-Cookie` line (RFC 6265bis section 5.6), and matching (sections 5.1.3 and 5.1.4).

use std::time::Duration;

use unstick_core::Timestamp;

use super::{Refusal, date};

/// Longest name and value together, in bytes.
const MAX_PAIR: usize = 4096;
/// Longest attribute value; longer attributes are ignored one by one.
const MAX_ATTRIBUTE: usize = 1024;
/// No cookie is kept longer.
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 3600);

/// To which requests from other sites a cookie is sent. The jar keeps it and does not enforce it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SameSite {
    /// Nothing was said, or nothing known.
    #[default]
    Default,
    /// None of them.
    Strict,
    /// Navigations only.
    Lax,
    /// All of them.
    None,
}

/// A parsed line.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) expires: Option<Timestamp>,
    pub(super) domain: Option<String>,
    pub(super) path: Option<String>,
    pub(super) has_path: bool,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) partitioned: bool,
    pub(super) same_site: SameSite,
}

fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

fn split_once(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == at) {
        Some(position) => (&bytes[..position], Some(&bytes[position + 1..])),
        None => (bytes, None),
    }
}

pub(super) fn parse(line: &[u8], now: Timestamp) -> Result<Line, Refusal> {
    if line.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127)) {
        return Err(Refusal::ControlCharacter);
    }
    let (pair, mut rest) = split_once(line, b';');
    let (name, value) = match split_once(pair, b'=') {
        (name, Some(value)) => (trim(name), trim(value)),
        (value, None) => (&b""[..], trim(value)),
    };
    if name.len() + value.len() > MAX_PAIR {
        return Err(Refusal::TooLong);
    }
    if name.is_empty() && value.is_empty() {
        return Err(Refusal::Empty);
    }
    let mut parsed = Line { name: name.to_vec(), value: value.to_vec(), ..Line::default() };
    let (mut max_age, mut expires) = (None, None);
    while let Some(attributes) = rest {
        let (attribute, more) = split_once(attributes, b';');
        rest = more;
        let (name, value) = split_once(attribute, b'=');
        let (name, value) = (trim(name).to_ascii_lowercase(), trim(value.unwrap_or_default()));
        if value.len() > MAX_ATTRIBUTE {
            continue;
        }
        match &name[..] {
            b"expires" => expires = date::parse(value).map(|at| at.min(now + MAX_AGE)).or(expires),
            b"max-age" => max_age = max_age_of(value, now).or(max_age),
            b"domain" => {
                let domain = value.strip_prefix(b".").unwrap_or(value);
                parsed.domain = Some(String::from_utf8_lossy(domain).to_ascii_lowercase());
            }
            b"path" => {
                parsed.has_path = true;
                parsed.path = value.starts_with(b"/").then(|| String::from_utf8_lossy(value).into_owned());
            }
            b"secure" => parsed.secure = true,
            b"httponly" => parsed.http_only = true,
            b"partitioned" => parsed.partitioned = true,
            b"samesite" => {
                parsed.same_site = match &value.to_ascii_lowercase()[..] {
                    b"strict" => SameSite::Strict,
                    b"lax" => SameSite::Lax,
                    b"none" => SameSite::None,
                    _ => SameSite::Default,
                };
            }
            _ => {}
        }
    }
    parsed.expires = max_age.or(expires);
    Ok(parsed)
}

fn max_age_of(value: &[u8], now: Timestamp) -> Option<Timestamp> {
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    if value.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    if negative || seconds == 0 {
        return Some(Timestamp::from_millis(i64::MIN));
    }
    Some(now + Duration::from_secs(seconds).min(MAX_AGE))
}

pub(super) fn domain_matches(host: &str, domain: &str) -> bool {
    if host == domain {
        return true;
    }
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    !is_address && host.strip_suffix(domain).is_some_and(|before| before.ends_with('.'))
}

pub(super) fn path_matches(request: &str, cookie: &str) -> bool {
    request == cookie || request.strip_prefix(cookie).is_some_and(|rest| cookie.ends_with('/') || rest.starts_with('/'))
}

pub(super) fn default_path(request: &str) -> &str {
    match request.rfind('/') {
        Some(last) if last > 0 && request.starts_with('/') => &request[..last],
        _ => "/",
    }
}
