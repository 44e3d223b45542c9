//! Fly.io routes by headers: an application may have requests replayed on another machine, and its proxy may remember that.

use http::{HeaderMap, HeaderName, HeaderValue};

const SOURCE: HeaderName = HeaderName::from_static("fly-replay-src");
const CACHE_STATUS: HeaderName = HeaderName::from_static("fly-replay-cache-status");
const CACHE: HeaderName = HeaderName::from_static("fly-replay-cache");
const INVALIDATE: HeaderValue = HeaderValue::from_static("invalidate");

/// Name of the product in the catalogue.
pub(crate) const PRODUCT: &str = "fly";

/// How a request came to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Free,
    /// An application's answer sent it here.
    Replayed,
    /// The proxy remembered such an answer.
    Cached,
}

pub(crate) fn route(headers: &HeaderMap) -> Route {
    if headers.contains_key(SOURCE) {
        Route::Replayed
    } else if headers.get(CACHE_STATUS).is_some_and(|status| status.as_bytes().trim_ascii().eq_ignore_ascii_case(b"hit")) {
        Route::Cached
    } else {
        Route::Free
    }
}

/// Tells the proxy to forget, unless the handler has its own to say.
pub(crate) fn forget(headers: &mut HeaderMap) -> bool {
    let is_free = !headers.contains_key(CACHE);
    if is_free {
        headers.insert(CACHE, INVALIDATE);
    }
    is_free
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{CACHE, CACHE_STATUS, Route, SOURCE, forget, route};

    #[test]
    fn replays_are_told_from_cached_ones() {
        let with = |status: &'static str| HeaderMap::from_iter([(CACHE_STATUS, HeaderValue::from_static(status))]);
        assert_eq!((route(&with("hit")), route(&with("miss")), route(&with("bypass"))), (Route::Cached, Route::Free, Route::Free));
        assert_eq!(route(&HeaderMap::new()), Route::Free);
        assert_eq!(route(&HeaderMap::from_iter([(SOURCE, HeaderValue::from_static("instance=a"))])), Route::Replayed);
    }

    #[test]
    fn the_handlers_word_stands() {
        let mut headers = HeaderMap::new();
        assert!(forget(&mut headers));
        assert_eq!(headers[CACHE], "invalidate");
        headers.insert(CACHE, HeaderValue::from_static("example.com/x"));
        assert!(!forget(&mut headers));
        assert_eq!(headers[CACHE], "example.com/x");
    }
}
