//! Which host the browser asked, as far as a request tells.

use http::HeaderValue;
use unstick_core::cookie::trim;

/// The name of a host without its port; `None` for what cannot be one.
pub(super) fn host_of(text: &[u8]) -> Option<&str> {
    let text = str::from_utf8(trim(text)).ok()?;
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.starts_with('[')) => name,
        _ => text,
    };
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']');
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty() && name.len() <= 253 && name.bytes().all(is_fine)).then_some(name)
}

/// The host of an `Origin` or `Referer`, and whether it is https.
pub(super) fn host_of_url(text: &[u8]) -> Option<(&str, bool)> {
    let https = text.strip_prefix(b"https://");
    let rest = https.or_else(|| text.strip_prefix(b"http://"))?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    Some((host_of(&rest[..end])?, https.is_some()))
}

/// The first element of a list header: what the proxy nearest to the client wrote.
pub(crate) fn first(value: &HeaderValue) -> &[u8] {
    trim(value.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default())
}

/// A parameter of the first element of `Forwarded` (RFC 7239).
pub(super) fn forwarded<'a>(value: &'a HeaderValue, wanted: &str) -> Option<&'a [u8]> {
    first(value).split(|byte| *byte == b';').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let value = trim(&pair[at + 1..]);
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        trim(&pair[..at]).eq_ignore_ascii_case(wanted.as_bytes()).then_some(value)
    })
}

/// Whether a cookie of this `Domain` is kept and sent by `host` (RFC 6265bis section 5.1.3).
pub(super) fn domain_matches(host: &str, domain: &[u8]) -> bool {
    let (host, is_address) = (host.as_bytes(), is_address(host));
    let Some(at) = host.len().checked_sub(domain.len()) else { return false };
    let is_end = host[at..].eq_ignore_ascii_case(domain);
    is_end && (at == 0 || (!is_address && host[at - 1] == b'.'))
}

pub(super) fn is_address(host: &str) -> bool {
    host.contains(':') || host.parse::<std::net::Ipv4Addr>().is_ok()
}

/// Hosts to which browsers send `Secure` cookies without TLS.
pub(super) fn is_local(host: &str) -> bool {
    let ends = |end: &str| host.len() >= end.len() && host.as_bytes()[host.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes());
    let is_loopback = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    host.eq_ignore_ascii_case("localhost") || ends(".localhost") || is_loopback || matches!(host, "[::1]" | "::1")
}

/// Whether a name may well be what browsers know: not an address, and not a name within a cluster or a cloud.
pub(super) fn is_public(host: &str) -> bool {
    const INNER: [&str; 11] =
        ["local", "internal", "lan", "svc", "localdomain", "localhost", "consul", "docker", "test", "intern", "invalid"];
    const CLOUDS: [&str; 6] = ["azurewebsites.net", "amazonaws.com", "run.app", "herokuapp.com", "fly.dev", "cloudapp.azure.com"];
    let top = host.rsplit('.').next().unwrap_or_default();
    let is_inner = INNER.iter().any(|inner| top.eq_ignore_ascii_case(inner));
    let is_cloud = CLOUDS.iter().any(|cloud| domain_matches(host, cloud.as_bytes()));
    host.contains('.') && !is_address(host) && !is_inner && !is_cloud
}

/// Whether two hosts are of one site. Without the list of public suffixes: the last two labels decide, so that strangers below
/// one suffix count as one site, and nobody is taken for a stranger wrongly.
pub(super) fn is_same_site(one: &str, other: &str) -> bool {
    let site = |host: &'_ str| host.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    one[site(one)..].eq_ignore_ascii_case(&other[site(other)..])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::decide::tests::any_value;

    #[test]
    fn hosts_are_read() {
        for (text, host) in [
            ("a.b", "a.b"),
            ("a.b:8080", "a.b"),
            (" A.b. ", "A.b"),
            ("\"a.b:1\"", "a.b"),
            ("[::1]:80", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
        ] {
            assert_eq!(host_of(text.as_bytes()), Some(host), "{text}");
        }
        for none in ["", ":80", "a b", "a/b", "ä", "a;b", "."] {
            assert_eq!(host_of(none.as_bytes()), None, "{none}");
        }
        assert_eq!(host_of_url(b"https://a.b:1/x?y"), Some(("a.b", true)));
        assert_eq!(host_of_url(b"http://a.b"), Some(("a.b", false)));
        assert_eq!(host_of_url(b"null"), None);
        let value = HeaderValue::from_static("for=1.2.3.4;Host=\"a.b:443\"; proto=https, for=x;host=inner");
        assert_eq!((forwarded(&value, "host"), forwarded(&value, "proto")), (Some(&b"a.b:443"[..]), Some(&b"https"[..])));
    }

    #[test]
    fn domains_match_from_the_right_and_at_dots() {
        assert!(domain_matches("shop.example.com", b"example.com") && domain_matches("Shop.Example.com", b"shop.example.COM"));
        assert!(!domain_matches("notexample.com", b"example.com") && !domain_matches("example.com", b"shop.example.com"));
        assert!(domain_matches("10.0.0.1", b"10.0.0.1") && !domain_matches("10.0.0.1", b"0.0.1"));
        assert!(is_same_site("app.example.com", "api.example.com") && is_same_site("example.com", "api.example.com"));
        assert!(!is_same_site("example.com", "pay.example.org"));
        assert!(is_local("app.localhost") && is_local("127.0.0.9") && !is_local("localhost.example.com"));
        assert!(is_public("shop.example.com"));
        for inner in ["backend", "10.0.0.1", "web.default.svc", "app.internal", "shop.azurewebsites.net"] {
            assert!(!is_public(inner), "{inner}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(value in any_value(80), bytes in prop::collection::vec(any::<u8>(), 0..80), domain in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Some(host) = host_of(&bytes) {
                _ = (domain_matches(host, &domain), is_local(host), is_public(host), is_same_site(host, "a.b"));
            }
            _ = (forwarded(&value, "host"), first(&value), host_of_url(&bytes), host_of_url(value.as_bytes()));
        }
    }
}
