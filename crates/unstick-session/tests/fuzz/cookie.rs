//! Cookie headers: whatever comes, exactly the values under our name are found.

use http::{HeaderMap, HeaderValue, header::COOKIE};
use unstick_session::cookie::candidates;

const NAME: &str = "__Host-id";

/// Every line of the input is one header. Whether our cookie was among them.
pub(crate) fn check(data: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(100) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let found: Vec<&[u8]> = candidates(&headers, NAME).collect();
    let expected: Vec<&[u8]> =
        headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';').filter_map(value)).collect();
    assert_eq!(found, expected);
    !found.is_empty()
}

/// The reader's rule in its plainest words: the first `=` divides, and spaces and tabs around both parts don't count.
fn value(pair: &[u8]) -> Option<&[u8]> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    (trim(&pair[..at]) == NAME.as_bytes()).then(|| trim(&pair[at + 1..]))
}

fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}
