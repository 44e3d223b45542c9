//! What a request is called in events and reports: enough to find its handler, and nothing that is somebody's.

use http::Method;

/// Names are at most this long, in bytes.
const LONGEST: usize = 100;
/// A longer segment is taken for an id or a token.
const LONGEST_SEGMENT: usize = 24;
/// Stands for what is left out.
const GAP: &str = "…";

/// Method and path of a request, without its query, at most 100 bytes. Segments that look like ids or tokens become `…`: numbers,
/// hexadecimal and mixed text, whatever is longer than 24 characters or is not made of ASCII letters, digits, `-`, `_`, `.` and `:`.
/// What is made of letters, a name such as `anna` or a short code, cannot be told from a word and stays.
///
/// ```
/// use http::Method;
/// use unstick_affinity::drain::name_of;
///
/// assert_eq!(name_of(&Method::POST, "/v1/carts/8841/lines"), "POST /v1/carts/…/lines");
/// assert_eq!(name_of(&Method::GET, "/reset/c29tZSBzZWNyZXQ"), "GET /reset/…");
/// assert_eq!(name_of(&Method::POST, "/shop.v1.Carts/AddLine"), "POST /shop.v1.Carts/AddLine");
/// ```
#[must_use]
pub fn name_of(method: &Method, path: &str) -> String {
    let method = method.as_str();
    let mut name = String::with_capacity(LONGEST);
    name.push_str(if method.len() > LONGEST_SEGMENT { GAP } else { method });
    if path.is_empty() {
        return name;
    }
    name.push(' ');
    let mut segments = path.split('/');
    // What is before the first slash: nothing, or the `*` of `OPTIONS *`.
    match segments.next() {
        None | Some("") => {}
        Some("*") => name.push('*'),
        Some(_) => name.push_str(GAP),
    }
    for segment in segments {
        let segment = if is_word(segment) { segment } else { GAP };
        if name.len() + 1 + segment.len() > LONGEST - 1 - GAP.len() {
            name.push('/');
            name.push_str(GAP);
            break;
        }
        name.push('/');
        name.push_str(segment);
    }
    name
}

/// Whether a segment says which handler it is rather than whose data.
fn is_word(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    if bytes.len() > LONGEST_SEGMENT || !bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte)) {
        return false;
    }
    let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count();
    let (digits, lower, upper) = (count(u8::is_ascii_digit), count(u8::is_ascii_lowercase), count(u8::is_ascii_uppercase));
    let is_number = digits > 0 && lower + upper == 0;
    let is_code = upper >= 5 && lower == 0;
    let is_hex = bytes.len() >= 8 && bytes.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    !(is_number || digits > 2 || is_code || is_hex || bytes.split(|byte| b"-_.:".contains(byte)).any(is_mixed))
}

/// Whether letters and digits alternate as in no word. `oauth2`, `v1beta1` and `GetCartLines` are words.
fn is_mixed(part: &[u8]) -> bool {
    let any_two = |is: fn(&u8, &u8) -> bool| part.windows(2).any(|two| matches!(two, [one, other] if is(one, other)));
    let has_both_cases = part.iter().any(u8::is_ascii_lowercase) && part.iter().any(u8::is_ascii_uppercase);
    let digit_within = any_two(|one, other| one.is_ascii_digit() && other.is_ascii_alphabetic());
    let capitals = part.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let two_capitals = any_two(|one, other| one.is_ascii_uppercase() && other.is_ascii_uppercase());
    (digit_within && (has_both_cases || part.len() > 5) && !is_version(part))
        || (part.len() >= 10 && has_both_cases && (two_capitals || capitals * 3 > part.len()))
}

/// `v1beta1` and the like.
fn is_version(part: &[u8]) -> bool {
    let Some(rest) = part.strip_prefix(b"v") else { return false };
    [&b"alpha"[..], b"beta", b"rc"].contains(&trim(rest, u8::is_ascii_digit))
}

/// Without the bytes at both ends that are so.
fn trim(bytes: &[u8], is: fn(&u8) -> bool) -> &[u8] {
    let begin = bytes.iter().take_while(|byte| is(byte)).count();
    let rest = bytes.get(begin..).unwrap_or_default();
    let end = rest.iter().rev().take_while(|byte| is(byte)).count();
    rest.get(..rest.len() - end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_stay_and_ids_go() {
        for (path, name) in [
            ("", "GET"),
            ("*", "GET *"),
            ("/", "GET /"),
            ("/carts/", "GET /carts/"),
            ("/api/v2/oauth2/token", "GET /api/v2/oauth2/token"),
            ("/favicon.ico", "GET /favicon.ico"),
            ("/apis/v1beta1/GetProductByName", "GET /apis/v1beta1/GetProductByName"),
            ("/grpc.health.v1.Health/Check", "GET /grpc.health.v1.Health/Check"),
            ("/orders/7", "GET /orders/…"),
            ("/orders/2025-11-21", "GET /orders/…"),
            ("/users/anna@example.com", "GET /users/…"),
            ("/users/a%20b", "GET /users/…"),
            ("/x;jsessionid=9F", "GET /…"),
            ("/key/deadbeef", "GET /key/…"),
            ("/key/deadbeef-cafe", "GET /key/…"),
            ("/key/67e55044-10b1-426f-9247-bb680e5fe0c8", "GET /key/…"),
            ("/key/QWxhZGRpbjpvcGVuc2", "GET /key/…"),
            ("/key/QWxhZGRpbjpvcGVu", "GET /key/…"),
            ("/key/eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "GET /key/…"),
            ("/join/ABXQZT", "GET /join/…"),
            ("/join/a7Bx", "GET /join/…"),
            ("/join/mfrggzd2mztwq", "GET /join/…"),
            ("/join/ab7xkq2m", "GET /join/…"),
            ("/join/q2wxyz", "GET /join/…"),
            ("/join/v1kxq2m", "GET /join/…"),
            ("/api/v12alpha/apps/v1beta2", "GET /api/v12alpha/apps/v1beta2"),
            ("/login/2fa", "GET /login/2fa"),
            ("/straße", "GET /…"),
        ] {
            assert_eq!(name_of(&Method::GET, path), name, "{path}");
        }
    }

    #[test]
    fn a_strange_method_is_left_out() {
        let method = Method::from_bytes(&[b'X'; 300]).unwrap();
        assert_eq!(name_of(&method, "/a"), "… /a");
        assert_eq!(name_of(&Method::CONNECT, ""), "CONNECT");
    }

    proptest! {
        #[test]
        fn bounded_and_without_ids(path in "(/[A-Za-z0-9%@=._é-]{0,40}){0,30}|.{0,200}", query in "[a-z=&]{0,20}") {
            let path = path.split('?').next().unwrap_or_default();
            let name = name_of(&Method::POST, path);
            prop_assert!(name.len() <= LONGEST, "{}", name.len());
            prop_assert!(name.chars().all(|char| char == '…' || char.is_ascii_graphic() || char == ' '));
            for segment in name.trim_start_matches("POST").trim_start().split('/') {
                prop_assert!(segment.len() <= LONGEST_SEGMENT);
                prop_assert!(segment.bytes().filter(u8::is_ascii_digit).count() <= 2, "{segment}");
            }
            let uri: Result<http::Uri, _> = format!("{path}?{query}").parse();
            if let Ok(uri) = uri && uri.path() == path {
                prop_assert_eq!(name_of(&Method::POST, uri.path()), name, "the query has no part in it");
            }
        }

        #[test]
        fn hexadecimal_tokens_go(token in "[0-9a-f]{8,64}", word in "[a-z]{1,7}") {
            prop_assert_eq!(name_of(&Method::GET, &format!("/{word}/{token}")), format!("GET /{word}/…"));
        }

        #[test]
        fn tokens_of_some_length_go(token in "[A-Za-z0-9_-]{25,90}") {
            prop_assert_eq!(name_of(&Method::GET, &format!("/t/{token}")), "GET /t/…");
        }

        #[test]
        fn numbers_go(number in any::<u64>()) {
            prop_assert_eq!(name_of(&Method::GET, &format!("/n/{number}")), "GET /n/…");
        }
    }
}
