//! Licence expressions: whether one can be met with the licences that are allowed.

/// The licences of `expression` by which it can be met, if `allowed` is enough. `A OR B` is met by either, `A AND B` by both;
/// the slash of older manifests is an `OR`.
pub(crate) fn met<'a>(expression: &'a str, allowed: &dyn Fn(&str) -> bool) -> Result<Option<Vec<&'a str>>, String> {
    let mut parser = Parser { words: words(expression), at: 0, allowed };
    let verdict = parser.either().filter(|_| parser.at == parser.words.len());
    verdict.ok_or_else(|| format!("`{expression}` is not a licence expression"))
}

type Verdict<'a> = Option<Vec<&'a str>>;

struct Parser<'a, 'b> {
    words: Vec<&'a str>,
    at: usize,
    allowed: &'b dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a, '_> {
    fn next_is(&mut self, any: &[&str]) -> bool {
        let is = self.words.get(self.at).is_some_and(|word| any.contains(word));
        self.at += usize::from(is);
        is
    }

    fn either(&mut self) -> Option<Verdict<'a>> {
        let mut verdict = self.both()?;
        while self.next_is(&["OR", "/"]) {
            verdict = match (verdict, self.both()?) {
                (Some(mut left), Some(right)) => {
                    left.extend(right);
                    Some(left)
                }
                (left, right) => left.or(right),
            };
        }
        Some(verdict)
    }

    fn both(&mut self) -> Option<Verdict<'a>> {
        let mut verdict = self.one()?;
        while self.next_is(&["AND"]) {
            let right = self.one()?;
            verdict = verdict.zip(right).map(|(left, right)| [left, right].concat());
        }
        Some(verdict)
    }

    fn one(&mut self) -> Option<Verdict<'a>> {
        if self.next_is(&["("]) {
            let verdict = self.either()?;
            return self.next_is(&[")"]).then_some(verdict);
        }
        let licence = *self.words.get(self.at).filter(|word| !["AND", "OR", "WITH", "/", ")"].contains(word))?;
        self.at += 1;
        if self.next_is(&["WITH"]) {
            self.words.get(self.at)?;
            self.at += 1;
            return Some(None); // exceptions are not in the list, and have had a plain alternative so far
        }
        Some((self.allowed)(licence).then(|| vec![licence]))
    }
}

fn words(expression: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for piece in expression.split_whitespace() {
        let mut rest = piece;
        while let Some(at) = rest.find(['(', ')', '/']) {
            words.extend((at > 0).then(|| &rest[..at]));
            words.push(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        words.extend((!rest.is_empty()).then_some(rest));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::met;

    fn by(expression: &str) -> Option<Vec<&str>> {
        met(expression, &|licence| ["MIT", "Apache-2.0", "ISC"].contains(&licence)).unwrap()
    }

    #[test]
    fn alternatives_need_one_and_conjunctions_both() {
        assert_eq!(by("MIT"), Some(vec!["MIT"]));
        assert_eq!(by("GPL-3.0-only"), None);
        assert_eq!(by("LGPL-2.1-or-later OR MIT"), Some(vec!["MIT"]));
        assert_eq!(by("MIT AND GPL-3.0-only"), None);
        assert_eq!(by("MIT OR GPL-3.0-only AND GPL-2.0-only"), Some(vec!["MIT"]), "AND binds more tightly");
        assert_eq!(by("(MIT OR GPL-2.0-only) AND GPL-3.0-only"), None);
        assert_eq!(by("(Apache-2.0 OR GPL-2.0-only) AND ISC"), Some(vec!["Apache-2.0", "ISC"]));
    }

    #[test]
    fn forms_of_older_manifests_are_read() {
        assert_eq!(by("GPL-2.0/MIT"), Some(vec!["MIT"]));
        assert_eq!(by("Apache-2.0 / GPL-2.0"), Some(vec!["Apache-2.0"]));
        assert_eq!(by("Apache-2.0 WITH LLVM-exception OR MIT"), Some(vec!["MIT"]));
        assert_eq!(by("Apache-2.0 WITH LLVM-exception"), None);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for wrong in ["", "MIT OR", "(MIT", "MIT)", "AND", "MIT Apache-2.0", "MIT WITH"] {
            assert!(met(wrong, &|_| true).is_err(), "{wrong}");
        }
    }
}
