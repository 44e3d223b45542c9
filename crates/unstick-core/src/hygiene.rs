//! Keeps answers that belong to one client out of shared caches.
//!
//! ```
//! use unstick_core::hygiene;
//!
//! let mut headers = http::HeaderMap::new();
//! headers.insert("cache-control", "public, s-maxage=600".parse()?);
//! headers.insert("cdn-cache-control", "max-age=600".parse()?);
//! hygiene::keep_private(&mut headers, &"cookie".parse()?);
//! assert_eq!(headers["cache-control"], "private, no-store");
//! assert_eq!(headers["vary"], "cookie");
//! assert!(!headers.contains_key("cdn-cache-control"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, COOKIE, Entry, VARY},
};

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// Makes a response private: `Cache-Control: private, no-store` replaces what the handler said, `carrier` (the cookie or
/// transport header) joins `Vary`, and everything addressed to surrogates and CDNs is taken out (RFC 9111, RFC 9213).
pub fn keep_private(headers: &mut HeaderMap, carrier: &HeaderName) {
    if !headers.is_empty() {
        remove_cdn_headers(headers);
    }
    headers.insert(CACHE_CONTROL, PRIVATE);
    add_vary(headers, carrier);
}

fn remove_cdn_headers(headers: &mut HeaderMap) {
    // By length first: this runs for every answer that touched a session.
    let shared = |name: &&HeaderName| {
        let name = name.as_str();
        match name.len() {
            7 => name == "expires",
            12 => name == "edge-control",
            15 => name == "x-accel-expires",
            17 => name == "surrogate-control" || name == "cdn-cache-control",
            18.. => name.ends_with("cdn-cache-control"),
            _ => false,
        }
    };
    while let Some(name) = headers.keys().find(shared).cloned() {
        headers.remove(name);
    }
}

fn add_vary(headers: &mut HeaderMap, carrier: &HeaderName) {
    let mentions = |line: &HeaderValue| {
        line.as_bytes().split(|byte| *byte == b',').any(|part| {
            let part = part.trim_ascii();
            part == b"*" || part.eq_ignore_ascii_case(carrier.as_str().as_bytes())
        })
    };
    let value = || if carrier == COOKIE { HeaderValue::from_static("cookie") } else { HeaderValue::from(carrier.clone()) };
    // One look-up for both: this runs for every answer that touched a session.
    match headers.entry(VARY) {
        Entry::Vacant(place) => {
            place.insert(value());
        }
        Entry::Occupied(mut lines) if !lines.iter().any(mentions) => lines.append(value()),
        Entry::Occupied(_) => {}
    }
}
