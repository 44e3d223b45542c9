//! What a request carries, and what its response may be given, as functions of plain values.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, COOKIE, EXPIRES, SET_COOKIE},
};
use unstick_core::cookie::trim;

use crate::{
    audit::Line,
    catalogue::{self, CataloguedCookie, Lever},
    filter::Filter,
    form::is_cookie_name,
    marker::{self, Marker},
    pin::PinCookie,
};

/// Different pins looked at per request.
pub(crate) const MAX_SEEN: usize = marker::MAX_ENTRIES;

/// A cookie that the operator named, and the row it counts in.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) pin: PinCookie,
    pub(crate) row: usize,
    /// A response of the application has set it, so that it is no pin, or one that the application wants.
    is_theirs: AtomicBool,
}

impl Own {
    pub(crate) fn new(pin: PinCookie, row: usize) -> Self {
        Self { pin, row, is_theirs: AtomicBool::new(false) }
    }

    /// Whether it must be left alone.
    pub(crate) fn is_theirs(&self) -> bool {
        self.is_theirs.load(Ordering::Relaxed)
    }

    /// Looks whether a response of the application sets it; `true` once.
    pub(crate) fn becomes_theirs(&self, response: &HeaderMap) -> bool {
        !self.is_theirs() && is_kept_by_handler(response, &self.pin.name) && !self.is_theirs.swap(true, Ordering::Relaxed)
    }
}

/// A pin cookie that a request carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenPin {
    pub(crate) name: String,
    pub(crate) row: usize,
    pub(crate) origin: Origin,
    /// Its path may be any, so that its absence elsewhere means nothing.
    pub(crate) has_any_path: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Catalogue(&'static CataloguedCookie),
    /// The index among the operator's.
    Configured(usize),
}

/// All that the layer looks for among a request's cookies.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Each name once.
    pub(crate) pins: Vec<SeenPin>,
    pub(crate) marker: Option<Marker>,
    /// Also one that cannot be read.
    pub(crate) has_marker: bool,
}

/// Looks through a request's cookies. `None`, without any allocation, where there is neither a pin nor a marker.
#[inline]
pub(crate) fn carried(headers: &HeaderMap, filter: &Filter, own: &[Own]) -> Option<Box<Carried>> {
    let mut carried: Option<Box<Carried>> = None;
    let look = |line: &HeaderValue| filter.candidates(line.as_bytes(), |pair| look_at(pair, own, &mut carried));
    // As a rule no header has several lines, and one is found with less ado.
    if headers.len() == headers.keys_len() {
        headers.get(COOKIE).into_iter().for_each(look);
    } else {
        headers.get_all(COOKIE).into_iter().for_each(look);
    }
    carried
}

/// At a cookie that may be one of ours, and at what follows it in its line.
#[cold]
#[inline(never)]
fn look_at(pair: &[u8], own: &[Own], carried: &mut Option<Box<Carried>>) {
    let pair = &pair[..memchr::memchr(b';', pair).unwrap_or(pair.len())];
    let name_end = memchr::memchr(b'=', pair);
    let name = trim(&pair[..name_end.unwrap_or(pair.len())]);
    if name == marker::NAME.as_bytes() {
        let carried = carried.get_or_insert_default();
        carried.has_marker = true;
        let value = name_end.map_or(&[][..], |equals| trim(&pair[equals + 1..]));
        carried.marker = carried.marker.take().or_else(|| Marker::parse(value));
    } else if let Some(origin) = origin(name, own) {
        carried.get_or_insert_default().add(name, origin, own);
    }
}

fn origin(name: &[u8], own: &[Own]) -> Option<(Origin, Option<&'static catalogue::Product>)> {
    if let Some(index) = own.iter().position(|own| own.pin.name.as_bytes() == name) {
        return Some((Origin::Configured(index), None));
    }
    catalogue::find(name).map(|(product, cookie)| (Origin::Catalogue(cookie), Some(product)))
}

impl Carried {
    fn add(&mut self, name: &[u8], (origin, product): (Origin, Option<&'static catalogue::Product>), own: &[Own]) {
        // First, so that thousands of one name are soon done with.
        if self.pins.len() >= MAX_SEEN || self.pins.iter().any(|pin| pin.name.as_bytes() == name) {
            return;
        }
        let row = match origin {
            Origin::Configured(index) => own.get(index).map(|own| own.row),
            Origin::Catalogue(_) => catalogue::products().iter().position(|one| product.is_some_and(|product| product.name == one.name)),
        };
        if let Some(row) = row
            && is_cookie_name(name)
            && let Ok(name) = str::from_utf8(name)
        {
            let has_any_path = product.is_none_or(|product| product.lever == Lever::ExpireAlways);
            self.pins.push(SeenPin { name: name.to_owned(), row, origin, has_any_path });
        }
    }
}

/// Whether a response may carry cookies: no shared cache may keep them for other users, and a 304 or 1xx updates what was sent before.
///
/// A cache may keep what says how long it stays fresh, unless it says that it is for one user (RFC 9111, section 3). What says nothing is
/// taken for one user's, as nearly every page that an application makes says nothing.
pub(crate) fn may_expire(status: StatusCode, headers: &HeaderMap) -> bool {
    // Vendors put their names in front of the standard's (RFC 9213).
    let is_targeted = |name: &HeaderName| name.as_str().ends_with("cdn-cache-control") || name.as_str() == "surrogate-control";
    let is_for_cdn = |name: &HeaderName| is_targeted(name) && !has_directive(headers, name, &["private", "no-store"]);
    let is_public = || has_directive(headers, &CACHE_CONTROL, &["public", "s-maxage"]);
    let is_for_one = || has_directive(headers, &CACHE_CONTROL, &["private", "no-store", "no-cache"]);
    let is_kept = || is_public() || (is_fresh(headers) && !is_for_one());
    !(status.is_informational() || status == StatusCode::NOT_MODIFIED || is_kept() || headers.keys().any(is_for_cdn))
}

/// Whether a response says that it stays fresh for a while.
fn is_fresh(headers: &HeaderMap) -> bool {
    let ages = || {
        let parts = directives(headers, &CACHE_CONTROL).map(|directive| directive.splitn(2, |byte| *byte == b'='));
        parts.filter_map(|mut parts| {
            let (name, value) = (parts.next()?, parts.next()?);
            trim(name).eq_ignore_ascii_case(b"max-age").then(|| trim(value))
        })
    };
    let is_positive = |age: &[u8]| !age.starts_with(b"-") && age.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    // `max-age` overrides `Expires`, whose usual values against caching are no dates, or dates of another century.
    let is_date =
        |value: &HeaderValue| value.as_bytes().ends_with(b"GMT") && value.as_bytes().get(12..14).is_some_and(|century| century != b"19");
    if ages().next().is_some() { ages().any(is_positive) } else { headers.get(EXPIRES).is_some_and(is_date) }
}

fn directives<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
}

fn has_directive(headers: &HeaderMap, name: &HeaderName, wanted: &[&str]) -> bool {
    let mut names = directives(headers, name).filter_map(|directive| directive.split(|byte| *byte == b'=').next()).map(trim);
    names.any(|name| wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes())))
}

/// Whether the handler sets a cookie of this name itself.
pub(crate) fn is_set_by_handler(headers: &HeaderMap, name: &str) -> bool {
    lines_of(headers, name).next().is_some()
}

fn lines_of<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let name_of = |line: &'a [u8]| line.split(|byte| matches!(byte, b'=' | b';')).next().map(trim);
    headers.get_all(SET_COOKIE).into_iter().map(HeaderValue::as_bytes).filter(move |line| name_of(line) == Some(name.as_bytes()))
}

/// Whether the handler gives a client a cookie of this name, rather than taking it away.
fn is_kept_by_handler(headers: &HeaderMap, name: &str) -> bool {
    lines_of(headers, name).any(|line| !Line::parse(line).is_removal)
}

#[cfg(test)]
pub(crate) mod tests;
