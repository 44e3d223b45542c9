use std::collections::HashSet;

use proptest::prelude::*;

use super::{Evidence, Lever, NamePattern, Product, find, page, product, products, suspects};
use crate::form::is_cookie_name;

fn all_names() -> impl Iterator<Item = (&'static Product, NamePattern)> {
    products().iter().flat_map(|product| product.cookies.iter().map(move |cookie| (product, cookie.name)))
}

fn sample(name: NamePattern) -> String {
    match name {
        NamePattern::Exact(text) => text.to_owned(),
        NamePattern::Prefix(text) => format!("{text}x"),
    }
}

/// What `find` must answer, without its filter: every row that the name fits.
fn scanned(name: &[u8]) -> Vec<&'static str> {
    let fits = |pattern: NamePattern| match pattern {
        NamePattern::Exact(text) => text.as_bytes() == name,
        NamePattern::Prefix(text) => name.len() > text.len() && name.starts_with(text.as_bytes()),
    };
    all_names().filter(|(_, pattern)| fits(*pattern)).map(|(product, _)| product.name).collect()
}

#[test]
fn every_row_is_whole() {
    for row in products() {
        let texts = [row.title, row.pins_by, row.application, row.setting, row.detection];
        assert!(texts.iter().all(|text| !text.is_empty() && *text == text.trim() && !text.ends_with('.')), "{}", row.name);
        assert!(row.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{}", row.name);
        assert!(row.setting.starts_with(|first: char| first.is_ascii_lowercase()), "{} begins with a verb", row.name);
        assert!(row.evidence == Evidence::Unverified || !row.sources.is_empty(), "{} says what it rests on", row.name);
        assert!(row.based_on.is_none_or(|name| product(name).is_some_and(|base| base.based_on.is_none())), "{}", row.name);
        let has_cookie = !row.cookies.is_empty() || !row.idioms.is_empty();
        assert!(!has_cookie || !row.attributes.is_empty(), "{} says how its cookie is set", row.name);
        // Whoever names one of these to the layer would end every session.
        assert!(row.lever != Lever::RenameSessionCookie || row.idioms.is_empty(), "{} pins by the session's own cookie", row.name);
        for cookie in row.cookies {
            assert!(is_cookie_name(sample(cookie.name).as_bytes()) && !cookie.forms.is_empty(), "{}", row.name);
            assert!(
                cookie.forms.iter().all(|form| form.path.starts_with('/') && (!form.is_partitioned || cookie.is_cross_site)),
                "{}",
                row.name
            );
        }
    }
}

#[test]
fn names_and_titles_are_unique() {
    let names: HashSet<_> = products().iter().map(|row| row.name).collect();
    let titles: HashSet<_> = products().iter().map(|row| row.title).collect();
    assert_eq!((names.len(), titles.len()), (products().len(), products().len()));
    assert!(products().iter().all(|row| product(row.name) == Some(row)));
    assert_eq!(product("no-such-product"), None);
}

#[test]
fn no_cookie_belongs_to_two_rows_and_every_one_is_found() {
    for (row, name) in all_names() {
        let sample = sample(name);
        assert_eq!(scanned(sample.as_bytes()), [row.name], "{sample}");
        assert_eq!(find(sample.as_bytes()).map(|(found, cookie)| (found.name, cookie.name)), Some((row.name, name)));
    }
}

#[test]
fn names_match_exactly_and_with_their_case() {
    for name in ["", "ARRAffinit", "ARRAffinityX", "arraffinity", "BIGipServer", "NSC_", "JSESSIONID", "_ga", "__cflc", "sessionid"] {
        assert!(find(name.as_bytes()).is_none(), "{name}");
    }
    assert!(find(b"BIGipServer~Common~pool").is_some());
    assert!(find(&[&b"NSC_"[..], &[b'x'; 500]].concat()).is_some(), "prefixes have no longest name");
}

#[test]
fn a_common_name_is_suspected_and_never_acted_upon() {
    for idiom in products().iter().flat_map(|row| row.idioms) {
        assert!(is_cookie_name(idiom.as_bytes()), "{idiom}");
        assert!(find(idiom.as_bytes()).is_none(), "{idiom} is common, so seeing it proves nothing");
        assert!(suspects(idiom).all(|row| row.idioms.contains(idiom)) && suspects(idiom).next().is_some());
    }
    assert_eq!(suspects("SERVERID").map(|row| row.name).collect::<Vec<_>>(), ["alibaba", "haproxy"]);
    assert_eq!(suspects("lb").map(|row| row.name).collect::<Vec<_>>(), ["caddy"]);
    assert_eq!(suspects("AWSALB").count(), 0, "beyond suspicion");
}

#[test]
fn what_may_belong_to_somebody_else_is_only_reported() {
    for name in ["NSC_TMAS", "AWSALBTG", "AWSALBTGCORS", "DO-LB", "X-Contour-Session-Affinity", "BIGipCookie"] {
        assert!(find(name.as_bytes()).is_some_and(|(_, cookie)| !cookie.is_deleted_when_seen), "{name}");
    }
    for name in ["ARRAffinity", "AWSALB", "__cflb", "GCLB", "AWSALBAPP-3"] {
        assert!(find(name.as_bytes()).is_some_and(|(_, cookie)| cookie.is_deleted_when_seen), "{name}");
    }
}

#[test]
fn cross_site_twins_are_the_documented_ones() {
    let twins: HashSet<_> =
        products().iter().flat_map(|row| row.cookies).filter(|one| one.is_cross_site).map(|one| sample(one.name)).collect();
    let documented =
        ["ARRAffinitySameSite", "ApplicationGatewayAffinityCORS", "ASLBSACORS", "AWSALBCORS", "AWSALBTGCORS", "AWSELBCORS", "SERVERCORSID"];
    assert_eq!(twins, documented.map(str::to_owned).into());
}

#[test]
fn advice_names_product_and_setting_and_is_one_sentence() {
    for row in products() {
        let advice = row.advice();
        assert!(advice.starts_with(&format!("{}: {}; ", row.title, row.setting)), "{advice}");
        assert_eq!(advice.ends_with("the application can't end this pin"), row.lever == Lever::ConfigurationOnly, "{advice}");
        assert!(!advice.contains('\n') && !advice.contains("  "), "{advice}");
    }
}

/// The levers of the presets, and what the measurements behind them allow.
#[test]
fn tested_rows_say_what_was_measured() {
    let expected = [
        ("haproxy", Lever::ExpireAlways),
        ("nginx", Lever::ExpireAlways),
        ("nginx-lua", Lever::ExpireAlways),
        ("traefik", Lever::ExpireAlways),
        ("caddy", Lever::ExpireAlways),
        ("apache", Lever::Expire),
        ("envoy", Lever::Expire),
        ("envoy-hash-cookie", Lever::ConfigurationOnly),
        ("haproxy-session-cookie", Lever::RenameSessionCookie),
        ("nginx-session-cookie", Lever::RenameSessionCookie),
        ("apache-session-cookie", Lever::RenameSessionCookie),
        ("envoy-session-cookie", Lever::RenameSessionCookie),
        ("haproxy-address", Lever::ConfigurationOnly),
        ("nginx-address", Lever::ConfigurationOnly),
        ("caddy-address", Lever::ConfigurationOnly),
        ("traefik-address", Lever::ConfigurationOnly),
        ("envoy-address", Lever::ConfigurationOnly),
        ("pen", Lever::ConfigurationOnly),
    ];
    let tested: HashSet<_> = products().iter().filter(|row| row.evidence == Evidence::Tested).map(|row| (row.name, row.lever)).collect();
    assert_eq!(tested, expected.into());
}

/// After a change of rows, write it anew: `UNSTICK_WRITE_DOCS=1 cargo test -p unstick-affinity the_page`.
#[test]
fn the_page_is_what_the_rows_say() {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/balancers.md");
    if std::env::var_os("UNSTICK_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, page()).expect("the page can be written");
    }
    let stored = std::fs::read_to_string(PAGE).expect("the page is there");
    assert!(stored == page(), "docs/balancers.md is old: run `UNSTICK_WRITE_DOCS=1 cargo test -p unstick-affinity the_page`");
}

#[test]
fn every_row_of_the_page_has_all_cells() {
    let page = page();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with('|')).collect();
    // A head and a rule, then the products.
    assert_eq!(rows.len(), products().len() + 2);
    for row in rows {
        let bars = row.match_indices('|').filter(|(at, _)| !row[..*at].ends_with('\\')).count();
        assert_eq!(bars, 8, "{row}");
    }
}

fn near_names() -> impl Strategy<Value = Vec<u8>> {
    let names: Vec<String> = all_names().map(|(_, name)| sample(name)).collect();
    (prop::sample::select(names), 0usize..80, prop::option::of(any::<u8>()), prop::collection::vec(any::<u8>(), 0..80)).prop_map(
        |(name, kept, flipped, tail)| {
            let mut name = name.into_bytes();
            name.truncate(kept);
            if let (Some(byte), Some(last)) = (flipped, name.last_mut()) {
                *last = byte;
            }
            name.extend(tail);
            name
        },
    )
}

proptest! {
    #[test]
    fn the_filter_loses_no_name_and_invents_none(name in prop_oneof![near_names(), prop::collection::vec(any::<u8>(), 0..200)]) {
        let found: Vec<_> = find(&name).map(|(row, _)| row.name).into_iter().collect();
        prop_assert_eq!(found, scanned(&name));
        prop_assert_eq!(super::product_of(&name), find(&name).map(|(row, _)| row));
    }

    #[test]
    fn a_name_after_a_prefix_is_found_whatever_it_is(tail in prop::collection::vec(any::<u8>(), 1..300)) {
        for prefix in all_names().filter(|(_, name)| matches!(name, NamePattern::Prefix(_))).map(|(_, name)| name.text()) {
            prop_assert!(find(&[prefix.as_bytes(), &tail].concat()).is_some());
        }
    }
}
