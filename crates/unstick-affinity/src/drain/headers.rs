//! `Connection: close`, so that a balancer does not send its next request down a connection that is about to go.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{CONNECTION, UPGRADE},
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Whether a request may become a connection of another kind.
pub(super) fn may_upgrade(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::CONNECT || headers.contains_key(UPGRADE)
}

/// Whether a response may tell that its connection closes: HTTP/2 and 3 have GOAWAY, and a tunnel has no next request.
pub(super) fn may_close(version: Version, method: &Method, status: StatusCode) -> bool {
    let is_tunnel = method == Method::CONNECT && status.is_success();
    version <= Version::HTTP_11 && !status.is_informational() && !is_tunnel
}

/// Adds the `close` option once. Other options stay, but for `keep-alive`, which says the contrary.
pub(super) fn close(headers: &mut HeaderMap) {
    let mut options: Vec<u8> = Vec::new();
    for option in headers.get_all(CONNECTION).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
        let option = option.trim_ascii();
        if option.eq_ignore_ascii_case(b"close") {
            return;
        }
        if !option.is_empty() && !option.eq_ignore_ascii_case(b"keep-alive") {
            options.extend_from_slice(option);
            options.extend_from_slice(b", ");
        }
    }
    options.extend_from_slice(b"close");
    headers.remove(KEEP_ALIVE);
    // Made of parts of valid values; were it not one, the option alone matters.
    headers.insert(CONNECTION, HeaderValue::from_bytes(&options).unwrap_or(HeaderValue::from_static("close")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn closed(lines: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONNECTION, line.parse().unwrap());
        }
        close(&mut headers);
        headers.get_all(CONNECTION).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn close_is_said_once_and_other_options_stay() {
        for (before, after) in [
            (&[][..], &["close"][..]),
            (&["Close"], &["Close"]),
            (&["upgrade", "x, CLOSE"], &["upgrade", "x, CLOSE"]),
            (&["Keep-Alive"], &["close"]),
            (&["Upgrade"], &["Upgrade, close"]),
            (&["keep-alive, x-hop", " , upgrade"], &["x-hop, upgrade, close"]),
            (&["closed"], &["closed, close"]),
        ] {
            assert_eq!(closed(before), after, "{before:?}");
        }
    }

    #[test]
    fn a_contradicting_timeout_goes() {
        let mut headers = HeaderMap::new();
        headers.insert(KEEP_ALIVE, HeaderValue::from_static("timeout=5"));
        close(&mut headers);
        assert!(!headers.contains_key(KEEP_ALIVE));
    }

    #[test]
    fn only_where_it_means_something() {
        let get = |version, status| may_close(version, &Method::GET, status);
        assert!(get(Version::HTTP_10, StatusCode::OK) && get(Version::HTTP_11, StatusCode::UPGRADE_REQUIRED));
        assert!(!get(Version::HTTP_2, StatusCode::OK) && !get(Version::HTTP_3, StatusCode::OK));
        assert!(!get(Version::HTTP_11, StatusCode::SWITCHING_PROTOCOLS));
        assert!(!may_close(Version::HTTP_11, &Method::CONNECT, StatusCode::OK));
        assert!(may_close(Version::HTTP_11, &Method::CONNECT, StatusCode::FORBIDDEN));
    }

    proptest! {
        #[test]
        fn any_options_keep_their_meaning(lines in prop::collection::vec("[a-zA-Z ,=-]{0,30}", 0..5)) {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(CONNECTION, HeaderValue::from_str(line).unwrap());
            }
            let options = |headers: &HeaderMap| -> Vec<String> {
                let all = headers.get_all(CONNECTION).iter().flat_map(|line| line.to_str().unwrap().split(','));
                all.map(|one| one.trim().to_ascii_lowercase()).filter(|one| !one.is_empty()).collect()
            };
            let mut before = options(&headers);
            close(&mut headers);
            let once = headers.clone();
            if !before.iter().any(|one| one == "close") {
                before.retain(|one| one != "keep-alive");
                before.push("close".to_owned());
            }
            prop_assert_eq!(options(&headers), before);
            close(&mut headers);
            prop_assert_eq!(headers, once);
        }
    }
}
