//! The jar against RFC 6265bis.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Uri};
use proptest::prelude::*;
use unstick_core::Timestamp;
use unstick_testkit::{
    client::{Jar, Refusal, SameSite},
    clock::{ManualClock, TestClock},
};

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

fn shop() -> Uri {
    uri("https://www.shop.example/cart/items")
}

fn sent(jar: &Jar, to: &str) -> String {
    jar.header(&uri(to)).map(|header| String::from_utf8(header.as_bytes().to_vec()).unwrap()).unwrap_or_default()
}

#[test]
fn hosts_domains_and_paths() {
    let mut jar = Jar::new();
    for line in ["host=1", "wide=2; Domain=.Shop.Example; Path=/", "deep=3; Path=/cart/items", "odd=4; Path=items", "root=5; path=/"] {
        assert_eq!(jar.set(&shop(), line), Ok(()), "{line}");
    }
    assert_eq!(jar.get("host").unwrap().path(), "/cart", "the directory of the request");
    assert_eq!(jar.get("odd").unwrap().path(), "/cart", "not a path: the directory of the request");
    assert_eq!(jar.get("wide").unwrap().domain(), "shop.example");
    assert_eq!(sent(&jar, "https://www.shop.example/cart/items"), "deep=3; host=1; odd=4; wide=2; root=5");
    assert_eq!(sent(&jar, "https://www.shop.example/cart/items/9"), "deep=3; host=1; odd=4; wide=2; root=5");
    assert_eq!(sent(&jar, "https://www.shop.example/cartoon"), "wide=2; root=5");
    assert_eq!(sent(&jar, "https://api.shop.example/cart"), "wide=2");
    assert_eq!(sent(&jar, "https://WWW.SHOP.EXAMPLE/"), "wide=2; root=5");
    assert_eq!(sent(&jar, "https://shop.example.evil.example/"), "");
    assert_eq!(sent(&jar, "https://myshop.example/"), "");
}

#[test]
fn domains_that_are_refused() {
    let mut jar = Jar::new();
    for domain in ["other.example", "shop.example.evil", "example", "com", "ww.shop.example", "a.www.shop.example", "hop.example"] {
        assert_eq!(jar.set(&shop(), format!("a=1; Domain={domain}")), Err(Refusal::ForeignDomain), "{domain}");
    }
    assert_eq!(jar.set(&uri("http://127.0.0.1/"), "a=1; Domain=0.0.1"), Err(Refusal::ForeignDomain), "addresses have no parents");
    assert_eq!(jar.set(&uri("http://localhost/"), "a=1; Domain=localhost"), Ok(()));
    assert!(jar.get("a").unwrap().is_host_only());
    assert_eq!(jar.set(&shop(), "b=1; Domain="), Ok(()), "an empty domain is none");
}

#[test]
fn the_last_line_wins_and_keeps_its_place() {
    let mut jar = Jar::new();
    let mut headers = HeaderMap::new();
    for line in ["a=1; Path=/", "b=1; Path=/", "a=2; Path=/", "c=1; Path=/; Max-Age=0"] {
        headers.append("set-cookie", HeaderValue::from_static(line));
    }
    assert_eq!(jar.receive(&shop(), &headers), []);
    assert_eq!(sent(&jar, "https://www.shop.example/"), "a=2; b=1");
    jar.set(&shop(), "a=; Path=/cart").unwrap();
    assert_eq!(sent(&jar, "https://www.shop.example/cart"), "a=; a=2; b=1", "another path is another cookie");
    jar.set(&shop(), "a=gone; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT").unwrap();
    assert_eq!(sent(&jar, "https://www.shop.example/"), "b=1");
}

#[test]
fn secure_cookies_and_loopback() {
    let mut jar = Jar::new();
    let insecure = uri("http://www.shop.example/");
    assert_eq!(jar.set(&insecure, "a=1; Secure"), Err(Refusal::InsecureHost));
    assert_eq!(jar.set(&shop(), "a=1; Secure; Path=/"), Ok(()));
    assert_eq!(sent(&jar, "http://www.shop.example/"), "");
    assert_eq!(jar.set(&insecure, "a=planted; Path=/"), Err(Refusal::OverwritesSecure));
    assert_eq!(jar.set(&insecure, "a=planted; Path=/login; Domain=shop.example"), Err(Refusal::OverwritesSecure));
    assert_eq!(sent(&jar, "https://www.shop.example/"), "a=1");
    for loopback in ["http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:1/", "http://a.localhost/"] {
        let mut jar = Jar::new();
        assert_eq!(jar.set(&uri(loopback), "__Host-id=1; Secure; Path=/"), Ok(()), "{loopback}");
        assert_eq!(sent(&jar, loopback), "__Host-id=1");
    }
}

#[test]
fn prefixes_keep_their_promises() {
    let mut jar = Jar::new();
    for line in [
        "__Host-id=1",
        "__Host-id=1; Secure",
        "__Host-id=1; Path=/",
        "__Host-id=1; Secure; Path=/cart",
        "__HOST-id=1; Path=/",
        "__Host-id=1; Secure; Path=/; Domain=www.shop.example",
        "__Secure-id=1; Path=/",
        "__secure-id=1",
        "=__Host-id=1; Secure; Path=/",
        "__Host-id; Path=/",
        "__Secure-x; Secure",
        "__Http-id=1; Secure",
        "__Host-Http-id=1; Secure; Path=/",
        "__Host-Http-id=1; Secure; HttpOnly",
    ] {
        assert_eq!(jar.set(&shop(), line), Err(Refusal::Prefix), "{line}");
    }
    assert!(jar.is_empty());
    for line in [
        "__Host-Http-id=1; Secure; Path=/; HttpOnly",
        "__Http-id=1; Secure; HttpOnly",
        "__Host-id=1; Secure; Path=/",
        "__Secure-id=1; Secure; Domain=shop.example",
        "__Hostid=1",
        "__Host=1",
    ] {
        assert_eq!(jar.set(&shop(), line), Ok(()), "{line}");
    }
}

#[test]
fn attributes_that_need_secure() {
    let mut jar = Jar::new();
    assert_eq!(jar.set(&shop(), "a=1; SameSite=None"), Err(Refusal::NeedsSecure));
    assert_eq!(jar.set(&shop(), "a=1; Partitioned"), Err(Refusal::NeedsSecure));
    assert_eq!(jar.set(&shop(), "a=1; SameSite=None; Secure; Partitioned; HttpOnly"), Ok(()));
    let cookie = jar.get("a").unwrap();
    assert_eq!(cookie.same_site(), SameSite::None);
    assert!(cookie.is_partitioned() && cookie.is_secure() && cookie.is_http_only());
    for (text, same_site) in [("strict", SameSite::Strict), ("LAX", SameSite::Lax), ("what", SameSite::Default)] {
        jar.set(&shop(), format!("b=1; SameSite={text}")).unwrap();
        assert_eq!(jar.get("b").unwrap().same_site(), same_site);
    }
}

#[test]
fn lifetimes() {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let mut jar = Jar::with_clock(TestClock::Manual(clock.clone()));
    for line in [
        "session=1",
        "short=1; Max-Age=60",
        "expires=1; Expires=Tue, 14 Nov 2023 22:14:20 GMT",
        "both=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "twice=1; Max-Age=0; Max-Age=60",
        "bad=1; Max-Age=1x",
        "long=1; Max-Age=99999999999999999999999",
        "never=1; Max-Age=-5",
        "zero=1; Max-Age=0",
        "far=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        assert_eq!(jar.set(&shop(), line), Ok(()), "{line}");
    }
    let names = |jar: &Jar| jar.iter().map(|cookie| cookie.name().into_owned()).collect::<Vec<_>>();
    assert_eq!(names(&jar), ["session", "short", "expires", "both", "twice", "bad", "long", "far"]);
    let cap = Timestamp::from_millis(1_700_000_000_000) + Duration::from_secs(400 * 24 * 3600);
    assert_eq!((jar.get("long").unwrap().expires(), jar.get("far").unwrap().expires()), (Some(cap), Some(cap)));
    assert_eq!((jar.get("bad").unwrap().expires(), jar.get("session").unwrap().expires()), (None, None));
    clock.advance(Duration::from_secs(60));
    assert_eq!(names(&jar), ["session", "bad", "long", "far"]);
    assert!(!sent(&jar, "https://www.shop.example/cart/").contains("short"));
}

#[test]
fn sizes_and_characters() {
    let mut jar = Jar::new();
    assert_eq!(jar.set(&shop(), format!("a={}", "x".repeat(4095))), Ok(()));
    assert_eq!(jar.set(&shop(), format!("a={}", "x".repeat(4096))), Err(Refusal::TooLong));
    assert_eq!(jar.set(&shop(), format!("a=1; Path=/{}", "x".repeat(1024))), Ok(()), "too long an attribute is ignored alone");
    assert_eq!(jar.get("a").unwrap().path(), "/cart");
    for line in ["", " = ", ";a=1", "  ; Path=/"] {
        assert_eq!(jar.set(&shop(), line), Err(Refusal::Empty), "{line}");
    }
    for line in ["a\0=1", "a=1\n", "a=1; Path=/\r", "a=\x7f"] {
        assert_eq!(jar.set(&shop(), line), Err(Refusal::ControlCharacter), "{line:?}");
    }
    jar.clear();
    for line in [&b"  tab\t= \"quoted value\" ; Path=/"[..], b"bytes=\xff\xfe; Path=/", b"nameless; Path=/", b"a=b=c; Path=/"] {
        assert_eq!(jar.set(&shop(), line), Ok(()));
    }
    let header = jar.header(&shop()).unwrap();
    assert_eq!(header.as_bytes(), b"tab=\"quoted value\"; bytes=\xff\xfe; nameless; a=b=c");
}

#[test]
fn a_request_with_cookies_of_its_own_is_left_alone() {
    let mut jar = Jar::new();
    jar.set(&uri("http://localhost/"), "a=1").unwrap();
    let mut request = Request::get("/path").header("cookie", "mine=1").body(()).unwrap();
    jar.attach(&mut request);
    assert_eq!(request.headers()["cookie"], "mine=1");
    let mut request = Request::get("/path").body(()).unwrap();
    jar.attach(&mut request);
    assert_eq!(request.headers()["cookie"], "a=1", "without a host it is localhost");
}

proptest! {
    #[test]
    fn any_line_is_kept_or_refused(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut jar = Jar::new();
        let _ = jar.set(&shop(), line);
        prop_assert!(jar.len() <= 1);
        let _ = jar.header(&shop());
    }

    #[test]
    fn what_is_set_is_sent_and_can_be_removed(name in "[A-Za-z0-9_-]{1,20}", value in "[!#-+--:<-\\[\\]-~]{0,60}", secure in any::<bool>()) {
        prop_assume!(!name.starts_with("__"));
        let mut jar = Jar::new();
        let attributes = if secure { "; Path=/; Secure" } else { "; Path=/" };
        jar.set(&shop(), format!("{name}={value}{attributes}")).unwrap();
        prop_assert_eq!(sent(&jar, "https://www.shop.example/"), format!("{name}={value}"));
        jar.set(&shop(), format!("{name}=;Max-Age=0{attributes}")).unwrap();
        prop_assert!(jar.is_empty());
    }

    /// One cookie per name, domain and path, whatever comes in.
    #[test]
    fn keys_are_unique(lines in proptest::collection::vec(("[ab]", "[0-9]", "(/|/a|/a/b)", any::<bool>()), 0..30)) {
        let mut jar = Jar::new();
        let mut expected = std::collections::BTreeMap::new();
        for (name, value, path, wide) in lines {
            let domain = if wide { "; Domain=shop.example" } else { "" };
            jar.set(&shop(), format!("{name}={value}; Path={path}{domain}")).unwrap();
            expected.insert((name, path, wide), value);
        }
        let kept: std::collections::BTreeMap<_, _> = jar.iter()
            .map(|cookie| ((cookie.name().into_owned(), cookie.path().to_owned(), !cookie.is_host_only()), cookie.text().into_owned()))
            .collect();
        prop_assert_eq!(kept, expected);
    }
}
