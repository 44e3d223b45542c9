//! Properties of the cookie reader: nothing foreign hides our cookie, and nothing else passes for it.

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use unstick_session::cookie::candidates;

const NAME: &str = "__Host-id";

fn found(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut headers = HeaderMap::new();
    for line in lines {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("cookie", value);
        }
    }
    candidates(&headers, NAME).map(<[u8]>::to_vec).collect()
}

/// Bytes that a header may carry, but no `;`.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![0x20_u8..=0x3a, 0x3c_u8..=0x7e, 0x80_u8..=0xff, Just(b'\t'), Just(b'"'), Just(b'=')], 0..40)
}

fn value() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,95}"
}

/// What the header grammar says, by the plainest means.
fn reference(line: &[u8]) -> Vec<Vec<u8>> {
    let trim = |part: &[u8]| {
        let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let start = part.iter().position(|byte| !is_blank(byte)).unwrap_or(part.len());
        let end = part.iter().rposition(|byte| !is_blank(byte)).map_or(start, |at| at + 1);
        part[start..end.max(start)].to_vec()
    };
    let pairs = line.split(|byte| *byte == b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        (trim(&pair[..at]) == NAME.as_bytes()).then(|| trim(&pair[at + 1..]))
    });
    pairs.collect()
}

proptest! {
    #[test]
    fn found_among_any_garbage(before in prop::collection::vec(garbage(), 0..6), after in prop::collection::vec(garbage(), 0..6), value in value()) {
        let pair = format!("{NAME}={value}").into_bytes();
        let mut parts = before;
        parts.push(pair);
        parts.extend(after);
        let all = found(&[parts.join(&b"; "[..])]);
        prop_assert!(all.contains(&value.clone().into_bytes()));
        let split: Vec<Vec<u8>> = parts;
        prop_assert!(found(&split).contains(&value.into_bytes()), "also with a header for every pair");
    }

    #[test]
    fn agrees_with_the_grammar(line in prop::collection::vec(prop_oneof![
        4 => prop::sample::select(b" \t;=\"%_-Hostid".to_vec()), 1 => 0x21_u8..=0x7e, 1 => 0x80_u8..=0xff
    ], 0..200)) {
        prop_assert_eq!(found(std::slice::from_ref(&line)), reference(&line));
    }

    #[test]
    fn names_are_exact(value in value(), at in 0..NAME.len(), byte in 0x21_u8..0x7f) {
        let mut name = NAME.as_bytes().to_vec();
        prop_assume!(name[at] != byte && byte != b';' && byte != b'=');
        name[at] = byte;
        let line = [&name[..], b"=", value.as_bytes()].concat();
        prop_assert!(found(&[line]).is_empty());
    }
}
