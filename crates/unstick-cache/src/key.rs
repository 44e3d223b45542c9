//! Keys as text that is the same on every node and in every release.
//!
//! The parts of a key are joined with `:`, and what could be mistaken for another key is escaped, so that two keys never share
//! a text. Long texts are replaced by their hash.
//!
//! ```
//! use unstick_cache::{CacheKey, KeyText};
//!
//! #[derive(Clone, PartialEq, Eq, Hash)]
//! enum CartType { Saved, Basket }
//!
//! impl CacheKey for CartType {
//!     fn write(&self, text: &mut KeyText) {
//!         text.part(match self { Self::Saved => "saved", Self::Basket => "basket" });
//!     }
//! }
//! assert_eq!(KeyText::of(&(7_u64, CartType::Saved, "se".to_owned())), "7:saved:se");
//! assert_ne!(KeyText::of(&("a:b".to_owned(), "c".to_owned())), KeyText::of(&("a".to_owned(), "b:c".to_owned())));
//! ```

use std::{fmt::Write, hash::Hash, sync::Arc};

/// Longer texts are kept as a hash of 64 characters.
const LONGEST: usize = 200;

/// What a cache can be keyed by: strings, integers, `bool`, tuples of them for composite keys, and own types by a few lines.
/// See the [module docs](self).
///
/// Equal keys must write equal texts, different keys different ones: values are shared between nodes by the text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a cache key",
    note = "implement `CacheKey` by writing what tells two keys apart with `text.part(..)`; strings, integers and tuples of them already are keys"
)]
pub trait CacheKey: Clone + Eq + Hash + Send + Sync + 'static {
    /// Writes the key's parts.
    fn write(&self, text: &mut KeyText);
}

/// The text of a key while it is being written.
#[derive(Debug, Default)]
pub struct KeyText {
    text: String,
    parts: usize,
}

impl KeyText {
    /// The text of `key` alone.
    #[must_use]
    pub fn of(key: &impl CacheKey) -> String {
        let mut text = Self::default();
        key.write(&mut text);
        text.text
    }

    /// Appends a part. Empty parts are told apart from missing ones.
    pub fn part(&mut self, part: &str) {
        self.separate();
        for char in part.chars() {
            match char {
                ':' => self.text.push_str("%3A"),
                '%' => self.text.push_str("%25"),
                '{' => self.text.push_str("%7B"),
                '}' => self.text.push_str("%7D"),
                char if char.is_control() || char == ' ' => _ = write!(self.text, "%{:02X};", u32::from(char)),
                char => self.text.push(char),
            }
        }
    }

    /// Appends a number.
    pub fn number(&mut self, number: impl Into<i128>) {
        self.separate();
        _ = write!(self.text, "{}", number.into());
    }

    fn separate(&mut self) {
        if self.parts > 0 {
            self.text.push(':');
        }
        self.parts += 1;
    }

    /// `scope` and the text of `key`, or its hash when it is long.
    pub(crate) fn within(scope: &str, key: &impl CacheKey) -> Arc<str> {
        let mut text = Self { text: String::with_capacity(scope.len() + 24), parts: 0 };
        text.text.push_str(scope);
        key.write(&mut text);
        if text.text.len() - scope.len() > LONGEST {
            let hash = blake3::hash(&text.text.as_bytes()[scope.len()..]);
            text.text.truncate(scope.len());
            // no key can write this: `%` is always followed by a digit
            _ = write!(text.text, "%h{}", hash.to_hex());
        }
        text.text.into()
    }
}

macro_rules! numbers {
    ($($number:ty)*) => { $(
        impl CacheKey for $number {
            fn write(&self, text: &mut KeyText) {
                text.number(*self);
            }
        }
    )* };
}
numbers!(u8 u16 u32 u64 i8 i16 i32 i64 i128);

impl CacheKey for u128 {
    fn write(&self, text: &mut KeyText) {
        text.separate();
        _ = write!(text.text, "{self}");
    }
}

impl CacheKey for usize {
    fn write(&self, text: &mut KeyText) {
        text.separate();
        _ = write!(text.text, "{self}");
    }
}

impl CacheKey for bool {
    fn write(&self, text: &mut KeyText) {
        text.part(if *self { "true" } else { "false" });
    }
}

macro_rules! strings {
    ($($string:ty)*) => { $(
        impl CacheKey for $string {
            fn write(&self, text: &mut KeyText) {
                text.part(self);
            }
        }
    )* };
}
strings!(String Arc<str> Box<str> &'static str);

/// `None` is told apart from every text.
impl<K: CacheKey> CacheKey for Option<K> {
    fn write(&self, text: &mut KeyText) {
        match self {
            Some(key) => {
                text.part("some");
                key.write(text);
            }
            None => text.part("none"),
        }
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        #[allow(non_snake_case, reason = "one name for type and value")]
        impl<$($name: CacheKey),*> CacheKey for ($($name,)*) {
            fn write(&self, text: &mut KeyText) {
                let ($($name,)*) = self;
                $($name.write(text);)*
            }
        }
    };
}
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);

impl KeyText {
    /// A tag's text.
    pub(crate) fn tag(namespace: &str, tag: &str) -> Arc<str> {
        let scope = format!("{namespace}:");
        // colons may stand in a tag: its text is one part, and only compared
        let mut text = scope;
        for char in tag.chars() {
            match char {
                '{' => text.push_str("%7B"),
                '}' => text.push_str("%7D"),
                '%' => text.push_str("%25"),
                char if char.is_control() || char == ' ' => _ = write!(text, "%{:02X};", u32::from(char)),
                char => text.push(char),
            }
        }
        if text.len() - namespace.len() > LONGEST {
            let hash = blake3::hash(text.as_bytes());
            text.truncate(namespace.len() + 1);
            _ = write!(text, "%h{}", hash.to_hex());
        }
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Likely to be mistaken for each other.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[:%{}a \n;2357ABDh]{0,6}", ".{0,12}", "[ab:]{190,210}"]
    }

    fn of(key: &impl CacheKey) -> Arc<str> {
        KeyText::within("shop:carts:", key)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn different_keys_have_different_texts(one in (text(), text(), text()), two in (text(), text(), text())) {
            prop_assert_eq!(of(&one) == of(&two), one == two);
            prop_assert_eq!(of(&(one.0.clone(), one.1.clone())) == of(&(two.0.clone(), two.1.clone())), (&one.0, &one.1) == (&two.0, &two.1));
            let (some_one, some_two) = ((Some(one.0.clone()), one.1.clone()), (None::<String>, two.1.clone()));
            prop_assert_ne!(of(&some_one), of(&some_two));
        }

        #[test]
        fn a_boundary_that_moves_makes_another_key(text in "[:%a]{1,8}", cut in 0_usize..8, other in 0_usize..8) {
            let (cut, other) = (cut % (text.len() + 1), other % (text.len() + 1));
            let split = |at: usize| (text[..at].to_owned(), text[at..].to_owned());
            prop_assert_eq!(of(&split(cut)) == of(&split(other)), cut == other);
        }

        #[test]
        fn texts_are_short_plain_and_begin_with_their_scope(key in (text(), text())) {
            let text = of(&key);
            prop_assert!(text.starts_with("shop:carts:") && text.len() <= 11 + LONGEST);
            prop_assert!(!text.contains(['{', '}', ' ', '\n']), "a server would take it for something else: {}", text);
        }

        #[test]
        fn different_tags_have_different_texts(one in text(), two in text()) {
            prop_assert_eq!(KeyText::tag("shop", &one) == KeyText::tag("shop", &two), one == two);
        }

        #[test]
        fn numbers_have_texts_of_their_own(one: (i64, u64), two: (i64, u64)) {
            prop_assert_eq!(of(&one) == of(&two), one == two);
        }
    }
}
