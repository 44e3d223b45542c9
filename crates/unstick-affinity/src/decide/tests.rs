use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, COOKIE, SET_COOKIE},
};
use proptest::prelude::*;

use super::{Carried, MAX_SEEN, Origin, Own, carried, is_set_by_handler, may_expire};
use crate::{catalogue, filter::Filter, form::is_cookie_name, pin::PinCookie};

fn headers(name: &http::HeaderName, lines: &[&str]) -> HeaderMap {
    lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
}

fn own(name: &str, row: usize) -> Own {
    Own::new(PinCookie::new(name).unwrap(), row)
}

fn look(headers: &HeaderMap, own: &[Own]) -> Carried {
    carried(headers, &Filter::new(own.iter().map(|own| own.pin.name.as_str())), own).map(|carried| *carried).unwrap_or_default()
}

fn seen(cookies: &[&str]) -> Vec<String> {
    look(&headers(&COOKIE, cookies), &[]).pins.into_iter().map(|pin| pin.name).collect()
}

#[test]
fn pins_are_seen_among_other_cookies_and_over_several_lines() {
    assert_eq!(seen(&["a=1; AWSALB=x;ARRAffinity=y", "\t__cflb =z; AWSALB=again"]), ["AWSALB", "ARRAffinity", "__cflb"]);
    assert!(seen(&["a=AWSALB; xAWSALB=1; awsalb=2; =AWSALB", ""]).is_empty());
    assert_eq!(seen(&["AWSALB"]), ["AWSALB"], "a cookie without a value");
}

#[test]
fn a_configured_name_is_seen_as_configured_and_the_rest_by_product() {
    let pins = look(&headers(&COOKIE, &["AWSALB=x; __cflb=y"]), &[own("AWSALB", 77)]).pins;
    assert_eq!((pins[0].origin, pins[0].row, pins[0].has_any_path), (Origin::Configured(0), 77, true));
    assert_eq!((catalogue::products()[pins[1].row].name, pins[1].has_any_path), ("cloudflare", false));
}

#[test]
fn the_marker_is_read_and_a_spoilt_one_is_known() {
    let marker = |line: &str| {
        let found = look(&headers(&COOKIE, &[line]), &[]);
        (found.has_marker, found.marker.is_some())
    };
    assert_eq!(marker("a=1; unstick-pins=1; b=2"), (true, true));
    assert_eq!(marker("unstick-pins=x; unstick-pins=1"), (true, true), "the first that can be read");
    assert_eq!(marker("unstick-pins=\"\u{7f}".trim_end_matches('\u{7f}')), (true, false));
    assert_eq!(marker("unstick-pins"), (true, false));
    assert_eq!(marker("unstick-pinsx=1; xunstick-pins=1; unstick-pinz=1"), (false, false));
}

#[test]
fn a_response_that_caches_share_gets_no_deletion() {
    let refused = ["public", "max-age=60, PUBLIC", "private,s-maxage=5", "s-maxage = 5", "max-age=60"];
    for line in refused {
        assert!(!may_expire(StatusCode::OK, &headers(&CACHE_CONTROL, &[line])), "{line}");
    }
    for line in ["private", "no-store", "private, max-age=60", "max-age=0", "x-public", "publicity"] {
        assert!(may_expire(StatusCode::OK, &headers(&CACHE_CONTROL, &[line])), "{line}");
    }
    assert!(!may_expire(StatusCode::OK, &headers(&CACHE_CONTROL, &["max-age=1", "public"])), "second line");
    for name in ["cdn-cache-control", "cloudflare-cdn-cache-control", "vercel-cdn-cache-control", "surrogate-control"] {
        let cdn = http::HeaderName::from_static(name);
        assert!(!may_expire(StatusCode::OK, &headers(&cdn, &["max-age=60"])), "{name}");
        assert!(may_expire(StatusCode::OK, &headers(&cdn, &["no-store"])), "{name}");
    }
    assert!(!may_expire(StatusCode::NOT_MODIFIED, &HeaderMap::new()));
    assert!(!may_expire(StatusCode::SWITCHING_PROTOCOLS, &HeaderMap::new()));
    assert!(may_expire(StatusCode::INTERNAL_SERVER_ERROR, &HeaderMap::new()));
}

#[test]
fn the_handlers_cookies_are_known_by_their_whole_name() {
    let response = headers(&SET_COOKIE, &["SRV=keep; Path=/x", "AWSALB", " __cflb =v", "a=SR"]);
    for name in ["SRV", "AWSALB", "__cflb", "a"] {
        assert!(is_set_by_handler(&response, name), "{name}");
    }
    for name in ["SR", "SRVX", "keep", "Path", ""] {
        assert!(!is_set_by_handler(&response, name), "{name}");
    }
}

/// Any value that a header can have, so that no case is rejected or skipped.
pub(crate) fn any_value(longest: usize) -> impl Strategy<Value = HeaderValue> {
    let bytes = prop::collection::vec(prop_oneof![1 => Just(b'\t'), 20 => 32u8..127, 20 => 128u8..=255], 0..=longest);
    bytes.prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap())
}

/// Without the filter, as slowly as one likes.
fn names_by_splitting(line: &str, own: &[Own]) -> Vec<String> {
    let names = line.split(';').map(|pair| pair.split('=').next().unwrap_or_default().trim_matches([' ', '\t']));
    let ours = names.filter(|name| own.iter().any(|own| own.pin.name == *name) || catalogue::product_of(name.as_bytes()).is_some());
    let mut found: Vec<String> = Vec::new();
    for name in ours.filter(|name| is_cookie_name(name.as_bytes())) {
        if !found.iter().any(|one| one == name) && found.len() < MAX_SEEN {
            found.push(name.to_owned());
        }
    }
    found
}

proptest! {
    #[test]
    fn the_filter_loses_nothing(
        pairs in prop::collection::vec(("[ \t]{0,2}", "(AWSALB(CORS|APP-[0-9]{0,70})?|SRV|S|BIGipServer[a-z~\"]?|__cflb|GCLB|[a-zA-Z_]{0,8})", "[ \t]{0,2}", "(=[a-z=]{0,9})?"), 0..14),
    ) {
        let line = pairs.iter().map(|(before, name, after, value)| format!("{before}{name}{after}{value}")).collect::<Vec<_>>().join(";");
        let own = [own("SRV", 0), own("S", 1)];
        let found = look(&headers(&COOKIE, &[&line]), &own).pins.into_iter().map(|pin| pin.name).collect::<Vec<_>>();
        prop_assert_eq!(found, names_by_splitting(&line, &own), "{}", line);
    }

    #[test]
    fn any_bytes_are_read_without_harm(value in any_value(400), text in "(AWSALB|SRV|unstick-pins|[ =;\"\t]|1[0-9.]{13}|[ -~]){0,40}") {
        for value in [value, HeaderValue::try_from(text).unwrap()] {
            let pins = look(&HeaderMap::from_iter([(COOKIE, value)]), &[own("SRV", 0)]).pins;
            prop_assert!(pins.len() <= MAX_SEEN && pins.iter().all(|pin| is_cookie_name(pin.name.as_bytes())));
        }
    }
}
