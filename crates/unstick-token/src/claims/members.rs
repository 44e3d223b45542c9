//! A JSON object as its members, undecoded.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Members in the order given, each name once. Values are checked to be JSON and looked at no further, without recursion,
/// so that no depth of nesting can overflow the stack.
pub(super) struct Members<'a>(pub(super) Vec<(Name<'a>, &'a RawValue)>);

/// A member's name: as it stands, if nothing in it is escaped.
pub(super) type Name<'a> = Cow<'a, str>;

impl<'a> Members<'a> {
    pub(super) fn of(json: &'a [u8]) -> Option<Self> {
        let mut members: Self = serde_json::from_slice(json).ok()?;
        members.0.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        // Sorted, a name that was given twice stands beside itself.
        members.0.windows(2).all(|pair| pair[0].0 != pair[1].0).then_some(members)
    }

    /// Takes a member out; inner `None`: it is of another type.
    pub(super) fn take<T: Deserialize<'a>>(&mut self, name: &str) -> Option<Option<T>> {
        let at = self.0.binary_search_by(|(member, _)| (**member).cmp(name)).ok()?;
        Some(serde_json::from_str(self.0.remove(at).1.get()).ok())
    }

    /// Takes a member out that must be there.
    pub(super) fn required<T: Deserialize<'a>>(&mut self, name: &str) -> Option<T> {
        self.take(name).flatten()
    }

    /// Takes a member out that may be missing; outer `None`: it is of another type.
    pub(super) fn optional<T: Deserialize<'a>>(&mut self, name: &str) -> Option<Option<T>> {
        self.take(name).map_or(Some(None), |value| value.map(Some))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(Name<'de>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(12);
                while let Some((Text(name), value)) = map.next_entry()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(A::Error::custom("too many members"));
                    }
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        from.deserialize_map(Object).map(Members)
    }
}

/// A string that is borrowed where it can be.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Letters;
        impl<'de> Visitor<'de> for Letters {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Letters)
    }
}

/// More do not fit into the longest token.
const MAX_MEMBERS: usize = 16 * 1024;
