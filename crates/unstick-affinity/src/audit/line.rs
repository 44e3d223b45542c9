//! One `Set-Cookie` line, as browsers read it (RFC 6265bis section 5.6).

use unstick_core::cookie::trim;

/// Longest name and value together, in bytes.
const MAX_PAIR: usize = 4096;
/// Longer attributes are ignored one by one.
const MAX_ATTRIBUTE: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SameSite {
    /// Nothing was said: most browsers take it for `Lax`.
    #[default]
    Unsaid,
    Strict,
    Lax,
    None,
}

/// A parsed line. Bytes stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Line<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Without the leading dot; empty ones are none.
    pub(crate) domain: Option<&'a [u8]>,
    /// Only those that begin with `/`; others count as none.
    pub(crate) path: Option<&'a [u8]>,
    pub(crate) is_secure: bool,
    pub(crate) is_http_only: bool,
    pub(crate) is_partitioned: bool,
    pub(crate) same_site: SameSite,
    /// It takes the cookie away.
    pub(crate) is_removal: bool,
    has_control: bool,
}

impl<'a> Line<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Self {
        let mut parts = line.split(|byte| *byte == b';');
        let (name, value) = halves(parts.next().unwrap_or_default());
        let has_control = line.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127));
        // What frameworks write in place of the value when they remove a cookie.
        let is_blank = matches!(value, b"" | b"deleted" | b"\"\"");
        let mut parsed = Self { name, value, is_removal: is_blank, has_control, ..Self::default() };
        for (attribute, value) in parts.map(halves).filter(|(_, value)| value.len() <= MAX_ATTRIBUTE) {
            parsed.take(attribute, value);
        }
        parsed
    }

    fn take(&mut self, attribute: &[u8], value: &'a [u8]) {
        let is = |name: &str| attribute.eq_ignore_ascii_case(name.as_bytes());
        let has = |year: &[u8]| value.windows(year.len()).any(|window| window == year);
        if is("domain") {
            let domain = value.strip_prefix(b".").unwrap_or(value);
            self.domain = (!domain.is_empty()).then_some(domain);
        } else if is("path") {
            self.path = value.starts_with(b"/").then_some(value);
        } else if is("secure") {
            self.is_secure = true;
        } else if is("httponly") {
            self.is_http_only = true;
        } else if is("partitioned") {
            self.is_partitioned = true;
        } else if is("max-age") {
            let is_number = value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
            self.is_removal |= is_number && (value.starts_with(b"-") || (!value.is_empty() && value.iter().all(|byte| *byte == b'0')));
        } else if is("expires") {
            // Removals use the epoch. Other dates need no reading: a line that is no removal is judged less, not more, strictly.
            self.is_removal |= has(b"1970") || has(b"1969") || has(b"-70 ");
        } else if is("samesite") {
            let value = value.to_ascii_lowercase();
            self.same_site = match &*value {
                b"strict" => SameSite::Strict,
                b"lax" => SameSite::Lax,
                b"none" => SameSite::None,
                _ => SameSite::Unsaid,
            };
        }
    }

    /// Why browsers do not keep it; `None` when they do.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        let has = |prefix: &str| self.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
        let is_host = has("__Host-");
        if self.has_control {
            Some("it holds a control character")
        } else if self.name.len() + self.value.len() > MAX_PAIR {
            Some("name and value are longer than 4096 bytes")
        } else if is_host && !self.is_secure {
            Some("`__Host-` without Secure")
        } else if is_host && self.domain.is_some() {
            Some("`__Host-` with a Domain")
        } else if is_host && self.path != Some(b"/") {
            Some("`__Host-` without Path=/")
        } else if (has("__Secure-") || has("__Http-")) && !self.is_secure {
            Some("`__Secure-` without Secure")
        } else if (has("__Http-") || has("__Host-Http-")) && !self.is_http_only {
            Some("`__Http-` without HttpOnly")
        } else if self.same_site == SameSite::None && !self.is_secure {
            Some("SameSite=None without Secure")
        } else if self.is_partitioned && !self.is_secure {
            Some("Partitioned without Secure")
        } else {
            None
        }
    }

    /// The path below which browsers send it, when it was set at `request`.
    pub(crate) fn effective_path<'b>(&self, request: &'b [u8]) -> &'b [u8]
    where
        'a: 'b,
    {
        self.path.unwrap_or_else(|| match request.iter().rposition(|byte| *byte == b'/') {
            Some(last) if last > 0 && request.starts_with(b"/") => &request[..last],
            _ => b"/",
        })
    }
}

/// Whether a cookie of path `cookie` goes to `request` (section 5.1.4).
pub(crate) fn path_matches(request: &[u8], cookie: &[u8]) -> bool {
    request == cookie || request.strip_prefix(cookie).is_some_and(|rest| cookie.ends_with(b"/") || rest.starts_with(b"/"))
}

fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (trim(&pair[..at]), trim(&pair[at + 1..])),
        None => (trim(pair), b""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Line, SameSite, path_matches};

    #[test]
    fn attributes_are_read_as_browsers_read_them() {
        let line =
            Line::parse(b" id = v ; DOMAIN=.Example.com; path=x; Path=/a;secure; HttpOnly ;Partitioned; SameSite=STRICT; Max-Age=60");
        assert_eq!((line.name, line.value), (&b"id"[..], &b"v"[..]));
        assert_eq!((line.domain, line.path), (Some(&b"Example.com"[..]), Some(&b"/a"[..])));
        assert!(line.is_secure && line.is_http_only && line.is_partitioned && !line.is_removal);
        assert_eq!(line.same_site, SameSite::Strict);
        assert_eq!(Line::parse(b"id=v; Path=/a; Path=relative").effective_path(b"/x/y"), b"/x", "the last attribute counts");
        assert_eq!(Line::parse(b"id=v").effective_path(b"/x"), b"/");
        assert_eq!(Line::parse(b"id=v; Domain=").domain, None);
    }

    #[test]
    fn removals_are_told_from_settings() {
        for removal in [
            "id=; Path=/; Max-Age=0",
            "id=x; Max-Age=-1",
            "id=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "id=deleted; expires=Thu, 01-Jan-70 00:00:01 GMT",
            "id=",
        ] {
            assert!(Line::parse(removal.as_bytes()).is_removal, "{removal}");
        }
        for set in ["id=x", "id=x; Max-Age=10", "id=x; Max-Age=", "id=x; Max-Age=0x", "id=x; Expires=Fri, 01 Jan 2100 00:00:00 GMT"] {
            assert!(!Line::parse(set.as_bytes()).is_removal, "{set}");
        }
    }

    #[test]
    fn what_browsers_refuse() {
        let refused = [
            "__Host-id=v; Path=/",
            "__Host-id=v; Secure",
            "__Host-id=v; Secure; Path=/a",
            "__host-id=v; Secure; Path=/; Domain=example.com",
            "__Secure-id=v; Path=/",
            "__Http-id=v; Secure",
            "__Host-Http-id=v; Secure; Path=/",
            "id=v; SameSite=None",
            "id=v; Partitioned",
            "id=a\x01b",
        ];
        for line in refused {
            assert!(Line::parse(line.as_bytes()).refusal().is_some(), "{line}");
        }
        for kept in ["__Host-id=v; Secure; Path=/", "__Secure-id=v; Secure; Domain=a.b", "id=v", "id=v; SameSite=None; Secure", "a\tb=v"] {
            assert_eq!(Line::parse(kept.as_bytes()).refusal(), None, "{kept}");
        }
        let long = |bytes: usize| format!("id={}; Path=/", "x".repeat(bytes));
        assert_eq!(Line::parse(long(4094).as_bytes()).refusal(), None);
        assert!(Line::parse(long(4095).as_bytes()).refusal().is_some());
    }

    proptest! {
        #[test]
        fn any_line_is_read(bytes in prop::collection::vec(any::<u8>(), 0..300), path in prop::collection::vec(any::<u8>(), 0..40)) {
            let line = Line::parse(&bytes);
            prop_assert!(line.name.len() + line.value.len() <= bytes.len());
            let effective = line.effective_path(&path);
            prop_assert!(effective.starts_with(b"/"));
            _ = (line.refusal(), path_matches(&path, effective));
        }

        #[test]
        fn a_cookie_without_a_path_goes_back_to_where_it_was_set(path in "/[a-z/]{0,20}") {
            prop_assert!(path_matches(path.as_bytes(), Line::parse(b"id=v").effective_path(path.as_bytes())));
        }
    }
}
