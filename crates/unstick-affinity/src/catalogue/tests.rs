use std::collections::HashSet;

use super::{NamePattern, find, rows::PRODUCTS};
use crate::form::is_cookie_name;

#[test]
fn rows_are_whole_and_no_cookie_belongs_to_two() {
    let names: HashSet<_> = PRODUCTS.iter().map(|product| product.name).collect();
    assert_eq!(names.len(), PRODUCTS.len());
    for product in PRODUCTS {
        assert!(
            !product.setting.is_empty()
                && product.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
        for cookie in product.cookies {
            let (NamePattern::Exact(text) | NamePattern::Prefix(text)) = cookie.name;
            let sample = if matches!(cookie.name, NamePattern::Prefix(_)) { format!("{text}x") } else { text.to_owned() };
            assert!(is_cookie_name(sample.as_bytes()) && !cookie.forms.is_empty());
            assert_eq!(find(sample.as_bytes()).map(|(product, cookie)| (product.name, cookie.name)), Some((product.name, cookie.name)));
        }
    }
}

#[test]
fn names_match_exactly_and_with_their_case() {
    for name in ["", "ARRAffinit", "ARRAffinityX", "arraffinity", "BIGipServer", "lb", "route", "JSESSIONID"] {
        assert!(find(name.as_bytes()).is_none(), "{name}");
    }
    assert!(find(b"BIGipServer~Common~pool").is_some());
}
