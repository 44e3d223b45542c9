//! The options of a store URL whose store does not read them itself.

use std::str::FromStr;

use unstick_core::ConfigError;

/// `option=value&…`, with values percent-encoded.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    scheme: &'a str,
    given: Vec<(&'a str, String)>,
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    pub(crate) fn parse(scheme: &'a str, text: &'a str) -> Result<Self, ConfigError> {
        let given = text.split('&').filter(|option| !option.is_empty()).map(|option| {
            let refused = |wrong: &str, name: &str| {
                let name = name.escape_default();
                ConfigError::new(format!("`{scheme}:`: the option `{name}` has {wrong}: write `{name}=…`"))
            };
            let Some((name, value)) = option.split_once('=') else { return Err(refused("no value", option)) };
            let value = decode(value).ok_or_else(|| refused("a value that is not percent-encoded", name))?;
            Ok((name, value))
        });
        Ok(Self { scheme, given: given.collect::<Result<_, _>>()?, known: Vec::new() })
    }

    /// Takes one option out; `what` says what to write when its value is not understood.
    pub(crate) fn take<T: FromStr>(&mut self, name: &'static str, what: &str) -> Result<Option<T>, ConfigError> {
        let scheme = self.scheme;
        self.known.push(name);
        let Some(index) = self.given.iter().position(|(option, _)| *option == name) else { return Ok(None) };
        let (_, value) = self.given.remove(index);
        if self.given.iter().any(|(option, _)| *option == name) {
            return Err(ConfigError::new(format!("`{scheme}:` has the option `{name}` twice: write it once")));
        }
        let refused = |_| ConfigError::new(format!("`{scheme}:` has a `{name}` that is not understood: write {what} for `{name}`"));
        value.parse().map(Some).map_err(refused)
    }

    /// Refuses options that nobody took.
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        let Some((unknown, _)) = self.given.first() else { return Ok(()) };
        let (scheme, unknown, known) = (self.scheme, unknown.escape_default(), self.known.join("`, `"));
        Err(ConfigError::new(format!("`{scheme}:` has no option `{unknown}`: write `{known}`, or leave it out")))
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digits = (char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?);
            u8::try_from(digits.0 << 4 | digits.1).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options_are_taken_one_by_one() {
        let mut options = Options::parse("memory", "a=1&b=two%20%3d").unwrap();
        assert_eq!(options.take::<u32>("a", "a number"), Ok(Some(1)));
        assert_eq!(options.take::<String>("b", "a word"), Ok(Some("two =".to_owned())));
        assert_eq!(options.take::<u32>("c", "a number"), Ok(None));
        assert_eq!(options.finish(), Ok(()));
    }

    #[test]
    fn every_refusal_says_what_to_write() {
        for wrong in ["x", "x=%", "x=%zz", "x=%ff"] {
            assert!(Options::parse("memory", wrong).unwrap_err().to_string().contains("write `x=…`"), "{wrong}");
        }
        let mut options = Options::parse("memory", "max=many&other=1").unwrap();
        let refusal = options.take::<u32>("max", "a number").unwrap_err().to_string();
        assert!(refusal.contains("write a number for `max`") && !refusal.contains("many"));
        assert!(options.finish().unwrap_err().to_string().contains("no option `other`: write `max`"));
        let mut options = Options::parse("memory", "a=1&a=2").unwrap();
        assert!(options.take::<u32>("a", "a number").unwrap_err().to_string().contains("twice"));
    }
}
