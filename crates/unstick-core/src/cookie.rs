//! Finds cookies in a request, octet by octet.
//!
//! Splits at `;` and the first `=`, over all `Cookie` headers, and trims spaces and tabs only (RFC 6265 section 5.4).
//! Nothing is percent-decoded, unquoted or read as Unicode, so `__%48ost-id` is not `__Host-id`, and foreign garbage is stepped over.
//!
//! ```
//! use unstick_core::cookie;
//!
//! let mut headers = http::HeaderMap::new();
//! headers.append("cookie", "theme=dark; slot-1=a".parse()?);
//! headers.append("cookie", "slot-2 = b".parse()?);
//! assert_eq!(cookie::candidates(&headers, "slot-2").collect::<Vec<_>>(), [b"b"]);
//! let slots: Vec<_> = headers.get_all("cookie").iter().flat_map(|line| cookie::with_prefix(line.as_bytes(), b"slot-")).collect();
//! assert_eq!(slots, [(&b"slot-1"[..], &b"a"[..]), (b"slot-2", b"b")]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use http::{HeaderMap, header::COOKIE};

/// Values of every cookie called exactly `name`, in the order sent. See the [module docs](self).
#[inline]
pub fn candidates<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(COOKIE).into_iter().flat_map(move |line| in_line(line.as_bytes(), name.as_bytes()))
}

/// Values of every cookie called exactly `name` in one `Cookie` header.
#[inline]
pub fn in_line<'a>(line: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    // White space may stand around the pair, and between name and `=`.
    pairs(line).filter_map(move |pair| pair.strip_prefix(name).and_then(|after| trim_start(after).strip_prefix(b"=")).map(trim))
}

/// Names and values of every cookie whose name begins with `prefix`, in one `Cookie` header.
#[inline]
pub fn with_prefix<'a>(line: &'a [u8], prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    pairs(line).filter(move |pair| pair.starts_with(prefix)).filter_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        Some((trim(&pair[..equals]), trim(&pair[equals + 1..])))
    })
}

/// What stands between semicolons, without the white space before it.
#[inline]
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let pair = match memchr::memchr(b';', line) {
            Some(at) => {
                rest = Some(&line[at + 1..]);
                &line[..at]
            }
            None => {
                rest = None;
                line
            }
        };
        Some(trim_start(pair))
    })
}

#[inline]
fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Without the spaces and tabs around it, which are all the white space that counts in a header (RFC 9110 section 5.6.3).
#[inline]
#[must_use]
pub fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
