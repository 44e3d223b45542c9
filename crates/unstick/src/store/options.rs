//! The options of a store URL whose store does not read them itself.

use std::str::FromStr;

use unstick_core::ConfigError;

/// `option=value&…`
#[derive(Debug)]
pub(crate) struct Options<'a> {
    scheme: &'a str,
    given: Vec<(&'a str, &'a str)>,
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    pub(crate) fn parse(scheme: &'a str, text: &'a str) -> Result<Self, ConfigError> {
        let no_value = |option: &str| ConfigError::new(format!("`{scheme}:`: the option `{option}` has no value: write `{option}=…`"));
        let given = text.split('&').filter(|option| !option.is_empty());
        let given = given.map(|option| option.split_once('=').ok_or_else(|| no_value(option)));
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
        let refused = |_| ConfigError::new(format!("`{scheme}:` has `{name}={value}`: write {what} for `{name}`"));
        value.parse().map(Some).map_err(refused)
    }

    /// Refuses options that nobody took.
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        let Some((unknown, _)) = self.given.first() else { return Ok(()) };
        let (scheme, known) = (self.scheme, self.known.join("`, `"));
        Err(ConfigError::new(format!("`{scheme}:` has no option `{unknown}`: write `{known}`, or leave it out")))
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options_are_taken_one_by_one() {
        let mut options = Options::parse("memory", "a=1&b=two").unwrap();
        assert_eq!(options.take::<u32>("a", "a number"), Ok(Some(1)));
        assert_eq!(options.take::<String>("b", "a word"), Ok(Some("two".to_owned())));
        assert_eq!(options.take::<u32>("c", "a number"), Ok(None));
        assert_eq!(options.finish(), Ok(()));
    }

    #[test]
    fn every_refusal_says_what_to_write() {
        assert!(Options::parse("memory", "x").unwrap_err().to_string().contains("write `x=…`"));
        let mut options = Options::parse("memory", "max=many&other=1").unwrap();
        assert!(options.take::<u32>("max", "a number").unwrap_err().to_string().contains("write a number for `max`"));
        assert!(options.finish().unwrap_err().to_string().contains("no option `other`: write `max`"));
        let mut options = Options::parse("memory", "a=1&a=2").unwrap();
        assert!(options.take::<u32>("a", "a number").unwrap_err().to_string().contains("twice"));
    }
}
