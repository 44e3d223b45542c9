//! Finds cookies by name in a request, octet by octet.

use http::{HeaderMap, header::COOKIE};

/// Values of every cookie called exactly `name`, in the order sent.
///
/// Splits at `;` and the first `=`, over all `Cookie` headers, and trims spaces and tabs only (RFC 6265 section 5.4).
/// Nothing is percent-decoded, unquoted or read as Unicode, so `__%48ost-id` is not `__Host-id`, and foreign garbage is stepped over.
pub fn candidates<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(COOKIE).into_iter().flat_map(move |line| in_line(line.as_bytes(), name.as_bytes()))
}

/// Values in one `Cookie` header.
pub(crate) fn in_line<'a>(line: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        while let Some(line) = rest {
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
            // White space may stand around the pair, and between name and `=`.
            if let Some(value) = trim_start(pair).strip_prefix(name).and_then(|after| trim_start(after).strip_prefix(b"=")) {
                return Some(trim(value));
            }
        }
        None
    })
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
