use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, COOKIE, SET_COOKIE},
};
use proptest::prelude::*;
use unstick_core::HeaderBudget;

use super::{Deletion, MAX_BYTES, MAX_LINES, MAX_SEEN, Origin, deletions, domain_of, is_cookie_name, may_expire, seen_pins};
use crate::pin::PinCookie;

fn headers(name: &http::HeaderName, lines: &[&str]) -> HeaderMap {
    lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
}

fn seen(cookies: &[&str]) -> Vec<String> {
    seen_pins(&headers(&COOKIE, cookies), &[]).into_iter().map(|pin| pin.name).collect()
}

fn added(configured: &[PinCookie], cookies: &str, host: Option<&str>, response: &HeaderMap) -> Vec<String> {
    let seen = seen_pins(&headers(&COOKIE, &[cookies]), configured);
    let decided = deletions(configured, &seen, host, response, &mut HeaderBudget::default());
    decided.into_iter().filter_map(|one| one.line).map(|line| line.to_str().unwrap().to_owned()).collect()
}

#[test]
fn pins_are_seen_among_other_cookies_and_over_several_lines() {
    assert_eq!(seen(&["a=1; AWSALB=x;ARRAffinity=y", "\t__cflb =z; AWSALB=again"]), ["AWSALB", "ARRAffinity", "__cflb"]);
    assert!(seen(&["a=AWSALB; xAWSALB=1; awsalb=2; =AWSALB", ""]).is_empty());
    assert_eq!(seen(&["AWSALB"]), ["AWSALB"], "a cookie without a value");
}

#[test]
fn a_configured_name_is_seen_as_configured() {
    let own = [PinCookie::new("AWSALB").unwrap()];
    let pins = seen_pins(&headers(&COOKIE, &["AWSALB=x; __cflb=y"]), &own);
    assert_eq!(pins[0].product, Origin::Configured(0));
    assert!(matches!(pins[1].product, Origin::Catalogue(product, _) if product.name == "cloudflare"));
}

#[test]
fn azure_is_deleted_with_the_domain_it_sets_and_both_twins_fit() {
    let lines = added(&[], "ARRAffinity=x; ARRAffinitySameSite=x", Some("shop.example.com"), &HeaderMap::new());
    assert_eq!(
        lines,
        [
            "ARRAffinity=; Path=/; Max-Age=0; Domain=shop.example.com",
            "ARRAffinitySameSite=; Path=/; Max-Age=0; Domain=shop.example.com; SameSite=None; Secure",
            "ARRAffinity=; Path=/; Max-Age=0",
            "ARRAffinitySameSite=; Path=/; Max-Age=0; Domain=shop.example.com; SameSite=None; Secure; Partitioned",
            "ARRAffinitySameSite=; Path=/; Max-Age=0; SameSite=None; Secure",
            "ARRAffinitySameSite=; Path=/; Max-Age=0; SameSite=None; Secure; Partitioned",
        ]
    );
}

#[test]
fn configured_cookies_are_deleted_unseen_in_every_configured_form() {
    let own = [
        PinCookie::new("SRV").unwrap().domain(".example.com").unwrap().path("/a").unwrap().path("/b").unwrap(),
        PinCookie::new("__Host-pin").unwrap().partitioned(),
    ];
    assert_eq!(
        added(&own, "x=1", Some("example.com"), &HeaderMap::new()),
        [
            "SRV=; Path=/a; Max-Age=0; Domain=example.com",
            "__Host-pin=; Path=/; Max-Age=0; Secure; Partitioned",
            "SRV=; Path=/b; Max-Age=0; Domain=example.com",
            "SRV=; Path=/a; Max-Age=0",
            "SRV=; Path=/b; Max-Age=0",
        ]
    );
}

#[test]
fn what_the_handler_sets_and_what_can_only_be_reported_is_left_alone() {
    let own = [PinCookie::new("SRV").unwrap(), PinCookie::new("SR").unwrap()];
    let response = headers(&SET_COOKIE, &["SRV=keep; Path=/x", "AWSALB", " __cflb =v"]);
    assert_eq!(added(&own, "AWSALB=1; __cflb=1; NSC_TMAS=login; AWSALBTG=1", None, &response), ["SR=; Path=/; Max-Age=0"]);
}

#[test]
fn a_response_that_caches_share_gets_no_deletion() {
    let refused = ["public", "max-age=60, PUBLIC", "private,s-maxage=5", "s-maxage = 5"];
    for line in refused {
        assert!(!may_expire(StatusCode::OK, &headers(&CACHE_CONTROL, &[line])), "{line}");
    }
    for line in ["private", "no-store", "max-age=60", "x-public", "publicity"] {
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
fn a_domain_is_a_host_name_without_its_port() {
    assert_eq!(domain_of("shop.example.com:8443"), Some("shop.example.com"));
    assert_eq!(domain_of("localhost"), Some("localhost"));
    for host in ["", ":80", "127.0.0.1:80", "127.0.0.1", "[::1]:80", "::1", "a;b", "a b", ".a", "a.", "a/b"] {
        assert_eq!(domain_of(host), None, "{host:?}");
    }
}

#[test]
fn ours_are_dropped_when_the_shared_budget_is_used_up() {
    let pins = seen_pins(&headers(&COOKIE, &["AWSALB=1; __cflb=1"]), &[]);
    let one_line = HeaderBudget::line(SET_COOKIE.as_str().len(), "AWSALB=; Path=/; Max-Age=0".len());
    let mut shared = HeaderBudget::new(one_line);
    let decided = deletions(&[], &pins, None, &HeaderMap::new(), &mut shared);
    assert_eq!(decided.iter().map(|one| (one.product, one.line.is_some())).collect::<Vec<_>>(), [("aws-alb", true), ("cloudflare", false)]);
    assert_eq!(shared.left(), 0);
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("ARRAffinity".to_owned()),
        Just("ARRAffinitySameSite".to_owned()),
        Just("AWSALBCORS".to_owned()),
        Just("__cflb".to_owned()),
        Just("__Host-x".to_owned()),
        "BIGipServer[a-z~]{1,40}",
        "AWSALBAPP-[0-9]{1,3}",
        "[a-zA-Z_]{1,12}",
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let pins = seen_pins(&HeaderMap::from_iter([(COOKIE, value)]), &[PinCookie::new("SRV").unwrap()]);
            prop_assert!(pins.len() <= MAX_SEEN && pins.iter().all(|pin| is_cookie_name(pin.name.as_bytes())));
        }
    }

    #[test]
    fn lines_keep_to_the_budget_and_to_names_that_are_not_the_handlers(
        carried in prop::collection::vec(any_name(), 0..12),
        own in prop::collection::vec(any_name(), 0..5),
        set in prop::collection::vec(any_name(), 0..5),
        host in prop::option::of("[a-z]{1,60}(\\.[a-z]{1,60}){0,3}"),
        budget in 0usize..4000,
    ) {
        let own: Vec<PinCookie> = own.iter().map(|name| PinCookie::new(name).unwrap()).collect();
        let cookies: Vec<String> = carried.iter().map(|name| format!("{name}=v")).collect();
        let pins = seen_pins(&headers(&COOKIE, &[&cookies.join("; ")]), &own);
        let lines: Vec<String> = set.iter().map(|name| format!("{name}=theirs")).collect();
        let response = headers(&SET_COOKIE, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        let mut shared = HeaderBudget::new(budget);
        let decided = deletions(&own, &pins, host.as_deref(), &response, &mut shared);
        let added: Vec<_> = decided.iter().filter_map(|one| one.line.as_ref()).map(|line| line.to_str().unwrap()).collect();
        let bytes: usize = added.iter().map(|line| HeaderBudget::line(SET_COOKIE.as_str().len(), line.len())).sum();
        prop_assert!(added.len() <= MAX_LINES && bytes <= MAX_BYTES);
        prop_assert_eq!(budget - shared.left(), bytes);
        for line in &added {
            let name = line.split('=').next().unwrap_or_default();
            prop_assert!(!set.iter().any(|set| set == name), "{} is the handler's", name);
            prop_assert!(carried.iter().any(|carried| carried == name) || own.iter().any(|pin| pin.name == name));
            prop_assert!(!(name.starts_with("__Host-") && line.contains("Domain=")), "{}", line);
        }
    }

    #[test]
    fn a_line_is_one_cookie_with_the_attributes_asked_for(name in any_name(), cross in any::<bool>(), part in any::<bool>(), domain in prop::option::of("[a-z.]{1,20}")) {
        let line = Deletion { name: &name, domain: domain.as_deref(), path: "/", is_cross_site: cross, is_partitioned: part }.line();
        let mut parts = line.split("; ");
        prop_assert_eq!(parts.next(), Some(&*format!("{name}=")));
        let rest: Vec<_> = parts.collect();
        prop_assert!(rest.contains(&"Path=/") && rest.contains(&"Max-Age=0"));
        prop_assert_eq!(rest.contains(&"Secure"), cross || part || name.starts_with("__Host-"));
        prop_assert_eq!(rest.contains(&"SameSite=None"), cross);
        prop_assert_eq!(rest.contains(&"Partitioned"), part);
        prop_assert_eq!(rest.iter().any(|part| part.starts_with("Domain=")), domain.is_some());
    }
}
