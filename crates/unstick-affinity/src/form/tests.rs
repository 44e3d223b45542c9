use proptest::prelude::*;

use super::{Deletion, configured, domain_of, further, is_cookie_name, parents, prefixes};
use crate::pin::PinCookie;

fn all<'a>(parts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    parts.collect()
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
fn parents_stop_before_the_last_label() {
    assert_eq!(all(parents("a.shop.example.com")), ["shop.example.com", "example.com"]);
    for alone in ["localhost", "example.com", ""] {
        assert!(all(parents(alone)).is_empty(), "{alone}");
    }
    assert_eq!(all(parents("a.b.c.d.e.f.g")).len(), 3);
}

#[test]
fn paths_are_those_above_the_request() {
    assert_eq!(all(prefixes("/shop/cart")), ["/shop", "/shop/", "/shop/cart"]);
    assert_eq!(all(prefixes("/shop/")), ["/shop", "/shop/"]);
    for none in ["", "/", "//", "*", "/a;b", "/ü"] {
        assert!(all(prefixes(none)).is_empty(), "{none}");
    }
    assert_eq!(all(prefixes("/shop/a;b/c")), ["/shop"]);
    assert_eq!(all(prefixes("/a/b/c/d/e/f")), ["/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/", "/a/b/c/d", "/a/b/c/d/"]);
}

#[test]
fn what_was_not_told_comes_next_in_order() {
    let pin = PinCookie::new("SRV").unwrap();
    let host = Some("shop.example.com");
    let likely = configured(&pin, host);
    let lines: Vec<_> = further(&likely, [host, None], "/x").iter().map(Deletion::line).collect();
    assert_eq!(
        lines,
        [
            "SRV=; Path=/; Max-Age=0; Domain=example.com",
            "SRV=; Path=/x; Max-Age=0",
            "SRV=; Path=/x; Max-Age=0; Domain=shop.example.com",
            "SRV=; Path=/x; Max-Age=0; Domain=example.com",
        ]
    );
    let pin = PinCookie::new("__Host-pin").unwrap();
    assert!(further(&configured(&pin, host), [host, None], "/x").is_empty(), "there is only one form");
    let pin = PinCookie::new("SRV").unwrap().path("/a").unwrap();
    let likely = configured(&pin, None);
    assert_eq!(further(&likely, [None, None], "/").iter().map(Deletion::line).collect::<Vec<_>>(), ["SRV=; Path=/; Max-Age=0"]);
}

#[test]
fn a_cookie_for_other_sites_may_have_a_partitioned_twin() {
    let pin = PinCookie::new("SRV").unwrap().cross_site();
    let lines: Vec<_> = further(&configured(&pin, None), [None, None], "/").iter().map(Deletion::line).collect();
    assert_eq!(lines, ["SRV=; Path=/; Max-Age=0; SameSite=None; Secure; Partitioned"]);
}

proptest! {
    #[test]
    fn any_path_and_host_make_few_sound_lines(path in "[/a-z;ü\\x00-\\x20.]{0,60}", host in "[a-z.:0-9-]{0,60}", cross in any::<bool>()) {
        let pin = PinCookie::new("SRV").unwrap();
        let pin = if cross { pin.cross_site() } else { pin };
        let host = domain_of(&host);
        let likely = configured(&pin, host);
        let found = further(&likely, [host, None], &path);
        prop_assert!(found.len() < 128);
        for (index, deletion) in found.iter().enumerate() {
            prop_assert!(!likely.contains(deletion) && !found[..index].contains(deletion));
            prop_assert!(deletion.domain.is_none_or(|domain| host.is_some_and(|host| host.ends_with(domain))));
            prop_assert!(deletion.path.starts_with('/') && (deletion.path == "/" || path.starts_with(deletion.path)));
            prop_assert!(http::HeaderValue::try_from(deletion.line()).is_ok());
        }
    }

    #[test]
    fn a_line_is_one_cookie_with_the_attributes_asked_for(
        name in prop_oneof!["[a-zA-Z]{1,12}", Just("__Host-x".to_owned()), Just("__secure-x".to_owned())],
        cross in any::<bool>(),
        part in any::<bool>(),
        domain in prop::option::of("[a-z.]{1,20}"),
    ) {
        prop_assert!(is_cookie_name(name.as_bytes()));
        let line = Deletion { name: &name, domain: domain.as_deref(), path: "/", is_cross_site: cross, is_partitioned: part }.line();
        let mut parts = line.split("; ");
        prop_assert_eq!(parts.next(), Some(&*format!("{name}=")));
        let rest: Vec<_> = parts.collect();
        prop_assert!(rest.contains(&"Path=/") && rest.contains(&"Max-Age=0"));
        prop_assert_eq!(rest.contains(&"Secure"), cross || part || name.starts_with("__"));
        prop_assert_eq!(rest.contains(&"SameSite=None"), cross);
        prop_assert_eq!(rest.contains(&"Partitioned"), part);
        prop_assert_eq!(rest.iter().any(|part| part.starts_with("Domain=")), domain.is_some());
    }
}
