use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header::SET_COOKIE};
use proptest::prelude::*;

use super::{Exchange, FindingKind, Verdict, judge};
use crate::{
    audit::told::{Carried, Told, carried},
    decide::tests::any_value,
};

const NAME: &str = "__Host-session";
const GOOD: &str = "__Host-session=v; Path=/; Secure; HttpOnly; SameSite=Lax";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

/// Judges `line`, set in answer to a request without the cookie.
fn verdict(method: &Method, path: &str, request: &[(&str, &str)], line: &str, more: &[(&str, &str)]) -> Verdict {
    let name = line.split('=').next().unwrap();
    let told = Told::of(method, &path.parse().unwrap(), &headers(request), name, &["sid".to_owned()]);
    let mut response = headers(more);
    response.append(SET_COOKIE, line.parse().unwrap());
    judge(&Exchange { name, told: Some(&told), is_https: false, response: &response })
}

fn kinds(method: &Method, path: &str, request: &[(&str, &str)], line: &str) -> Vec<FindingKind> {
    verdict(method, path, request, line, &[]).findings.into_iter().map(|found| found.kind).collect()
}

fn get(request: &[(&str, &str)], line: &str) -> Vec<FindingKind> {
    kinds(&Method::GET, "/", request, line)
}

const PUBLIC: (&str, &str) = ("host", "shop.example.com");
const BROWSER: (&str, &str) = ("accept-language", "de");
const OVER_HTTP: (&str, &str) = ("x-forwarded-proto", "http");
const MID_VISIT: (&str, &str) = ("sec-fetch-site", "same-origin");

#[test]
fn a_secure_cookie_over_http_is_found_only_when_http_is_said() {
    for said in [("x-forwarded-proto", "http"), ("x-forwarded-proto", "HTTP, https"), ("forwarded", "for=1.2.3.4;proto=http")] {
        assert!(get(&[PUBLIC, said], GOOD).is_empty(), "a probe");
        assert_eq!(get(&[PUBLIC, BROWSER, said], GOOD), [FindingKind::SecureOverHttp], "{said:?}");
    }
    assert!(get(&[PUBLIC, BROWSER, OVER_HTTP], "id=v; Path=/").is_empty(), "not Secure");
    let innocent: [&[(&str, &str)]; 11] = [
        &[],
        &[("x-forwarded-proto", "https")],
        &[("x-forwarded-proto", "https, http")],
        &[OVER_HTTP, ("forwarded", "proto=https")],
        &[OVER_HTTP, ("sec-fetch-site", "none")],
        &[OVER_HTTP, ("sec-fetch-mode", "navigate")],
        &[OVER_HTTP, ("x-forwarded-ssl", "on")],
        &[OVER_HTTP, ("cf-visitor", "{\"scheme\":\"https\"}")],
        &[OVER_HTTP, ("referer", "https://shop.example.com/cart")],
        &[OVER_HTTP, ("x-forwarded-host", "localhost:3000")],
        &[OVER_HTTP, ("x-forwarded-host", "127.0.0.1")],
    ];
    for more in innocent {
        let request: Vec<_> = [PUBLIC, BROWSER].into_iter().chain(more.iter().copied()).collect();
        assert!(get(&request, GOOD).is_empty(), "{more:?}");
    }
    for method in [Method::HEAD, Method::OPTIONS] {
        assert!(kinds(&method, "/", &[PUBLIC, BROWSER, OVER_HTTP], GOOD).is_empty(), "{method}");
    }
    let redirect = [("location", "https://shop.example.com/")];
    assert!(verdict(&Method::GET, "/", &[PUBLIC, BROWSER, OVER_HTTP], GOOD, &redirect).findings.is_empty(), "on its way to https");
}

#[test]
fn a_domain_must_be_that_of_the_browser() {
    let with = |domain: &str| format!("id=v; Path=/; Domain={domain}");
    let mismatch = |request: &[(&str, &str)], domain: &str| {
        let found = verdict(&Method::GET, "/", request, &with(domain), &[]).findings;
        assert!(found.iter().all(|found| found.kind == FindingKind::DomainMismatch));
        found.into_iter().next().map(|found| (found.is_doubtful, found.detail.contains("balancer")))
    };
    let inner = ("host", "app.azurewebsites.net");
    for said in
        [("x-forwarded-host", "shop.example.com"), ("x-original-host", "shop.example.com:443"), ("forwarded", "host=shop.example.com")]
    {
        assert_eq!(mismatch(&[inner, said], "app.azurewebsites.net"), Some((false, true)), "{said:?}: the balancer rewrites Host");
        assert_eq!(mismatch(&[inner, said], "other.example.org"), Some((false, false)), "{said:?}");
        for fine in ["shop.example.com", ".example.com", "SHOP.example.com"] {
            assert_eq!(mismatch(&[inner, said], fine), None, "{said:?} {fine}");
        }
    }
    assert_eq!(mismatch(&[PUBLIC], "other.example.com"), Some((true, false)), "Host may have been rewritten without a word");
    assert_eq!(mismatch(&[PUBLIC], "example.com"), None, "shared with sub-domain APIs");
    for backend in ["backend:8080", "10.0.0.7", "shop.default.svc", "app.azurewebsites.net", "localhost:3000"] {
        assert_eq!(mismatch(&[("host", backend)], "shop.example.com"), None, "{backend} is not what browsers ask");
    }
    let page = ("origin", "https://shop.example.com");
    assert_eq!(mismatch(&[inner, MID_VISIT, page], "shop.example.com"), None, "the browser's own word");
    assert_eq!(mismatch(&[inner, MID_VISIT, page], "app.azurewebsites.net"), Some((false, true)));
    assert_eq!(mismatch(&[PUBLIC, ("x-forwarded-host", "evil.example.org"), MID_VISIT, page], "shop.example.com"), None);
    assert_eq!(mismatch(&[], "shop.example.com"), None);
}

#[test]
fn a_path_that_leaves_out_where_it_was_set() {
    let at = |path: &str, request: &[(&str, &str)], line: &str| kinds(&Method::GET, path, request, line);
    let found = [FindingKind::PathMismatch];
    assert_eq!(at("/cart", &[MID_VISIT], "id=v; Path=/app"), found);
    assert_eq!(at("/application", &[MID_VISIT], "id=v; Path=/app"), found);
    assert_eq!(at("/account/login", &[MID_VISIT], "id=v"), found, "without a Path it is for /account alone");
    assert_eq!(at("/cart", &[MID_VISIT, ("x-forwarded-prefix", "/shop/")], "id=v; Path=/cart"), found, "browsers see /shop/cart");
    for (path, request, line) in [
        ("/app/cart", &[MID_VISIT][..], "id=v; Path=/app"),
        ("/app", &[MID_VISIT], "id=v; Path=/app"),
        ("/login", &[MID_VISIT], "id=v"),
        ("/cart", &[MID_VISIT, ("x-forwarded-prefix", "/shop")], "id=v; Path=/shop"),
        ("/cart", &[], "id=v; Path=/app"),
        ("/cart", &[("sec-fetch-site", "none")], "id=v; Path=/app"),
        ("/cart", &[MID_VISIT, ("sec-purpose", "prefetch")], "id=v; Path=/app"),
    ] {
        assert!(at(path, request, line).is_empty(), "{path} {request:?} {line}");
    }
}

#[test]
fn same_site_is_blamed_only_where_it_held_a_cookie_back() {
    let line = |same_site: &str| format!("id=v; Path=/; Secure{same_site}");
    let (strict, lax, none) = (line("; SameSite=Strict"), line("; SameSite=Lax"), line("; SameSite=None"));
    let from_abroad = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let known: Vec<_> = from_abroad.into_iter().chain([("cookie", "theme=dark")]).collect();
    let found = [FindingKind::SameSiteLost];

    assert_eq!(get(&known, &strict), found);
    assert!(get(&from_abroad, &strict).is_empty(), "may be a first visit");
    for line in [&lax, &none, &line("")] {
        assert!(get(&known, line).is_empty(), "{line}: sent with links");
    }
    let post = |request: &[(&str, &str)], line: &str| kinds(&Method::POST, "/return", request, line);
    for line in [&strict, &lax, &line("")] {
        assert_eq!(post(&from_abroad, line), found, "{line}");
    }
    assert!(post(&from_abroad, &none).is_empty());

    let form =
        [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html,*/*"), PUBLIC, ("origin", "https://pay.example.org")];
    assert_eq!(post(&form, &lax), found, "a browser without Sec-Fetch");
    for innocent in [
        &[("sec-fetch-site", "same-site"), from_abroad[1], from_abroad[2]][..],
        &[from_abroad[0], ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        &[from_abroad[0], from_abroad[1], ("sec-fetch-dest", "iframe")],
        &[from_abroad[0], from_abroad[1], from_abroad[2], ("sec-purpose", "prefetch;prerender")],
        &[form[0], form[1], form[2], ("origin", "https://www.example.com")],
        &[form[0], form[1], form[2], ("origin", "null")],
        &[form[0], form[1], form[2]],
        &[("content-type", "application/json"), form[1], form[2], form[3]],
        &[],
    ] {
        assert!(post(innocent, &lax).is_empty(), "{innocent:?}");
    }
}

#[test]
fn the_cookie_under_another_name() {
    let seen = |cookies: &str| get(&[("cookie", cookies)], "__Host-session=abcdef; Path=/; Secure");
    assert_eq!(seen("session=123456"), [FindingKind::NameMismatch]);
    assert_eq!(seen("a=b; __Secure-session=123456"), [FindingKind::NameMismatch]);
    assert_eq!(seen("sid=whatever"), [FindingKind::NameMismatch], "named by the operator");
    for foreign in
        ["session=.eJw.x.y", "session=12345", "session=123.56", "mysession=123456", "Session=123456", "__host-session=123456", "session"]
    {
        assert!(seen(foreign).is_empty(), "{foreign}: another application's");
    }
}

#[test]
fn removals_and_foreign_cookies_are_nobodys_fault() {
    for line in ["__Host-session=; Path=/app; Max-Age=0; Domain=other.org", "__Host-session=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"] {
        assert_eq!(verdict(&Method::GET, "/", &[PUBLIC, BROWSER, OVER_HTTP], line, &[]), Verdict::default(), "{line}");
    }
    let response = headers(&[("set-cookie", "theme=dark; SameSite=None"), ("set-cookie", "__Host-session2=x")]);
    assert_eq!(judge(&Exchange { name: NAME, told: None, is_https: false, response: &response }), Verdict::default());
}

#[test]
fn what_browsers_refuse_is_found_for_every_client() {
    let response = headers(&[("set-cookie", "__Host-session=v; Path=/app; Secure")]);
    let verdict = judge(&Exchange { name: NAME, told: None, is_https: false, response: &response });
    assert_eq!(verdict.findings.len(), 1);
    assert!(!verdict.is_new && verdict.findings[0].kind == FindingKind::RefusedByBrowser);
}

#[test]
fn first_visits_and_bots_are_fine() {
    let first = [PUBLIC, ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("x-forwarded-proto", "https")];
    let verdict = verdict(&Method::GET, "/", &first, GOOD, &[]);
    assert!(verdict.findings.is_empty() && verdict.is_new && !verdict.is_mid_visit);
    assert!(get(&[("host", "10.0.0.1:8080"), ("user-agent", "bot")], GOOD).is_empty());
}

#[test]
fn copies_are_compared_by_value() {
    let of = |cookie: &str| carried(&headers(&[("cookie", cookie)]), "id");
    assert_eq!(
        (of("a=b"), of("id=1"), of("id=1; id=1"), of("id=1; x=y; id=2")),
        (Carried::No, Carried::Once, Carried::Once, Carried::Twice)
    );
}

fn any_header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let names = prop::sample::select(vec![
        "host",
        "x-forwarded-host",
        "x-original-host",
        "forwarded",
        "x-forwarded-proto",
        "x-forwarded-prefix",
        "origin",
        "referer",
        "cookie",
        "sec-fetch-site",
        "sec-fetch-mode",
        "sec-fetch-dest",
        "content-type",
        "accept",
        "sec-purpose",
        "cf-visitor",
        "accept-language",
    ]);
    let usual = prop::sample::select(vec![
        "a.b",
        "http",
        "https://a.b/",
        "host=a.b;proto=http",
        "cross-site",
        "same-origin",
        "navigate",
        "id=1; id=2",
        "/x",
    ]);
    (names, prop_oneof![any_value(60), usual.prop_map(HeaderValue::from_static)])
        .prop_map(|(name, value)| (HeaderName::from_static(name), value))
}

proptest! {
    #[test]
    fn any_exchange_is_judged(
        request in prop::collection::vec(any_header(), 0..12),
        set in any_value(120),
        uri in "(https?://[a-z.]{1,9})?/[a-z/]{0,9}",
        post in any::<bool>(),
    ) {
        let request: HeaderMap = request.into_iter().collect();
        let method = if post { Method::POST } else { Method::GET };
        let told = Told::of(&method, &uri.parse::<Uri>().unwrap(), &request, "id", &[]);
        _ = carried(&request, "id");
        let value = HeaderValue::from_bytes(&[b"id=", set.as_bytes()].concat()).unwrap();
        let response = HeaderMap::from_iter([(SET_COOKIE, value)]);
        let verdict = judge(&Exchange { name: "id", told: Some(&told), is_https: false, response: &response });
        for found in &verdict.findings {
            prop_assert!(found.detail.is_ascii() && found.detail.len() < 300, "{}", found.detail);
        }
        let trusted = judge(&Exchange { name: "id", told: Some(&told), is_https: true, response: &response });
        prop_assert!(!trusted.findings.iter().any(|found| found.kind == FindingKind::SecureOverHttp));
    }

    #[test]
    fn a_healthy_cookie_is_never_blamed_on_https(request in prop::collection::vec(any_header(), 0..12), path in "/[a-z/]{0,9}") {
        let request: HeaderMap = request.into_iter().filter(|(name, _)| name != "cookie").collect();
        let told = Told::of(&Method::GET, &path.parse().unwrap(), &request, NAME, &[]);
        let response = headers(&[("set-cookie", GOOD)]);
        let verdict = judge(&Exchange { name: NAME, told: Some(&told), is_https: true, response: &response });
        prop_assert_eq!(verdict.findings, []);
    }
}
