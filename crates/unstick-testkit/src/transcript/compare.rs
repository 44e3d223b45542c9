//! Compares what was printed with what was said.

const ANYTHING: char = '…';

/// How many of the printed lines the expected ones take up, if they fit from the first on. Without an end in `…`, as few as possible.
pub(super) fn fit(expected: &[String], printed: &[String]) -> Option<usize> {
    taken(expected, printed, false)
}

/// As [`fit`], and nothing may be left over.
pub(super) fn is_all(expected: &[String], printed: &[String]) -> bool {
    taken(expected, printed, true).is_some()
}

fn taken(expected: &[String], printed: &[String], is_whole: bool) -> Option<usize> {
    let Some((first, rest)) = expected.split_first() else { return (!is_whole || printed.is_empty()).then_some(0) };
    if first.trim().chars().eq([ANYTHING]) {
        return (0..=printed.len()).find_map(|skipped| Some(skipped + taken(rest, &printed[skipped..], is_whole)?));
    }
    let (line, others) = printed.split_first()?;
    if line_fits(first, line) { taken(rest, others, is_whole).map(|taken| taken + 1) } else { None }
}

fn line_fits(expected: &str, line: &str) -> bool {
    let mut parts = expected.split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{fit, is_all, line_fits};

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_ellipsis_stands_for_anything_within_a_line() {
        for (expected, line, fits) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a…c", "abbbc", true),
            ("a…c", "ac", true),
            ("a…c", "ab", false),
            ("a…b…c", "a-b-b-c", true),
            ("…", "", true),
            ("a…a", "a", false),
        ] {
            assert_eq!(line_fits(expected, line), fits, "{expected} {line}");
        }
    }

    #[test]
    fn an_ellipsis_alone_stands_for_any_lines() {
        assert!(is_all(&lines("a\n…\nb"), &lines("a\nx\ny\nb")));
        assert!(is_all(&lines("a\n…"), &lines("a")));
        assert!(!is_all(&lines("a\nb"), &lines("a\nb\nc")));
        assert!(!is_all(&lines("a\n…\nb"), &lines("a\nb\nc")));
        assert_eq!(fit(&lines("a\n…\nb"), &lines("a\nx\nb\nc")), Some(3));
        assert_eq!(fit(&lines("a\nb"), &lines("a")), None);
        assert_eq!(fit(&[], &lines("a")), Some(0));
    }
}
