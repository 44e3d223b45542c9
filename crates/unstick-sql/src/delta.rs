//! Fields and changes as JSON, so that the engine can merge a change into a row in one statement.
//!
//! A field is `"name":[version,"j<text>"]`, or `[version,"b<base64>"]` when its bytes are not UTF-8 or hold a NUL. Each member is an
//! array, so a JSON merge patch replaces it whole and never merges inside a value.

use std::{borrow::Cow, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use serde::{
    Deserializer as _, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
};
use unstick_core::{Change, Error, ErrorKind, Field, FieldChange, FieldVersion, Fields, OpId, Timestamp};

use crate::engine::Call;

/// A marker in front of a text, written without joining them first.
struct Marked<'a>(char, &'a str);

impl Serialize for Marked<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{}{}", self.0, self.1))
    }
}

/// NUL is text, too, but not every engine's JSON can hold it.
fn value(bytes: &[u8]) -> (char, Cow<'_, str>) {
    match str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => ('j', Cow::Borrowed(text)),
        _ => ('b', Cow::Owned(STANDARD_NO_PAD.encode(bytes))),
    }
}

fn to_text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::new(ErrorKind::Internal, "session data cannot be written as JSON"))
}

/// All fields as the JSON of a new row.
pub(crate) fn fields(all: &Fields) -> Result<String, Error> {
    struct All<'a>(&'a Fields);
    impl Serialize for All<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_map(self.0.iter().map(|(name, field)| {
                let (marker, text) = value(&field.value);
                (&**name, Entry(field.version, marker, text))
            }))
        }
    }
    to_text(&All(all))
}

struct Entry<'a>(FieldVersion, char, Cow<'a, str>);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.0.as_u64(), Marked(self.1, &self.2)).serialize(to)
    }
}

/// The field deltas as a JSON merge patch.
#[cfg(feature = "sqlite")]
pub(crate) fn patch(change: &Change, version: FieldVersion) -> Result<String, Error> {
    struct Patch<'a>(&'a Change, FieldVersion);
    impl Serialize for Patch<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_map(self.0.fields.iter().map(|(name, change)| {
                let entry = match change {
                    FieldChange::Set(bytes) => {
                        let (marker, text) = value(bytes);
                        Some(Entry(self.1, marker, text))
                    }
                    FieldChange::Remove => None,
                };
                (&**name, entry)
            }))
        }
    }
    to_text(&Patch(change, version))
}

/// The fields that a change sets, as an object, for engines whose merge replaces whole members but cannot remove them.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn sets(change: &Change, version: FieldVersion) -> Result<String, Error> {
    struct Sets<'a>(&'a Change, FieldVersion);
    impl Serialize for Sets<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_map(self.0.fields.iter().filter_map(|(name, change)| match change {
                FieldChange::Set(bytes) => {
                    let (marker, text) = value(bytes);
                    Some((&**name, Entry(self.1, marker, text)))
                }
                FieldChange::Remove => None,
            }))
        }
    }
    to_text(&Sets(change, version))
}

/// The names of the fields that a change removes.
#[cfg(feature = "postgres")]
pub(crate) fn removals(change: &Change) -> Vec<String> {
    let removed = change.fields.iter().filter(|(_, change)| matches!(change, FieldChange::Remove));
    removed.map(|(name, _)| name.to_string()).collect()
}

/// Preconditions as `[["name",version],..]`; `None` when there are none.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn preconditions(all: &[unstick_core::Precondition]) -> Result<Option<String>, Error> {
    if all.is_empty() {
        return Ok(None);
    }
    to_text(&all.iter().map(|one| (&*one.name, one.version.as_u64())).collect::<Vec<_>>()).map(Some)
}

/// An operation's name in the `applied` object.
pub(crate) fn operation(op: OpId) -> String {
    format!("{:032x}", op.as_u128())
}

/// How long an operation must be remembered on the engine's clock: one budget to hand the same operation in again, and
/// another for that delivery to arrive.
pub(crate) fn remembered_until(call: Call<'_>) -> Timestamp {
    call.deadline + call.op.budget()
}

/// The `applied` object of one operation.
pub(crate) fn applied(op: OpId, until: Timestamp) -> String {
    format!("{{\"{:032x}\":{}}}", op.as_u128(), until.as_millis())
}

fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "a stored session record cannot be read")
}

/// Reads the fields of a row.
pub(crate) fn read_fields(json: &str) -> Result<Fields, Error> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Fields;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of fields")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
            let mut all = Vec::new();
            while let Some((name, (version, text))) = map.next_entry::<String, (u64, String)>()? {
                let value = match text.as_bytes().first() {
                    Some(b'j') => Bytes::from(text).slice(1..),
                    Some(b'b') => Bytes::from(STANDARD_NO_PAD.decode(&text[1..]).map_err(|_| A::Error::custom("base64"))?),
                    _ => return Err(A::Error::custom("marker")),
                };
                all.push((Arc::from(name), Field { version: FieldVersion::from_u64(version), value }));
            }
            Ok(Fields::from_iter(all))
        }
    }
    if json == "{}" {
        return Ok(Fields::default());
    }
    let mut from = serde_json::Deserializer::from_str(json);
    let fields = from.deserialize_map(Members).map_err(|_| corrupt())?;
    from.end().map_err(|_| corrupt())?;
    Ok(fields)
}

/// Reads the operations of a row.
pub(crate) fn read_applied(json: &str) -> Result<Vec<(OpId, Timestamp)>, Error> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(OpId, Timestamp)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of operations")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some((name, until)) = map.next_entry::<Cow<'de, str>, i64>()? {
                let number = u128::from_str_radix(&name, 16).map_err(|_| A::Error::custom("operation"))?;
                all.push((OpId::from_u128(number), Timestamp::from_millis(until)));
            }
            Ok(all)
        }
    }
    if json == "{}" {
        return Ok(Vec::new());
    }
    let mut from = serde_json::Deserializer::from_str(json);
    let applied = from.deserialize_map(Members).map_err(|_| corrupt())?;
    from.end().map_err(|_| corrupt())?;
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        let field = |value: &'static [u8]| Field { version: FieldVersion::from_u64((1 << 53) - 1), value: Bytes::from_static(value) };
        let all: Fields = [
            (Arc::from("text"), field(b"{\"a\":\"\\u0000\"}")),
            (Arc::from("quote\"back\\slash$.[0]"), field(b"")),
            (Arc::from("nul"), field(b"\0")),
            (Arc::from("b"), field(&[0xff, 0, 1, 2])),
        ]
        .into_iter()
        .collect();
        assert_eq!(read_fields(&fields(&all).unwrap()).unwrap(), all);
    }

    #[test]
    fn other_json_is_corrupt_not_empty() {
        for json in ["", "[]", "null", "{\"a\":5}", "{\"a\":[1]}", "{\"a\":[1,\"\"]}", "{\"a\":[1,\"b!\"]}", "{} x", "{\"a\":[-1,\"j\"]}"] {
            assert_eq!(read_fields(json).unwrap_err().kind(), ErrorKind::Corrupt, "{json}");
        }
        assert_eq!(read_applied("{\"x\":1}").unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn operations_come_back() {
        let (op, until) = (OpId::from_u128(u128::MAX - 7), Timestamp::from_millis(5));
        assert_eq!(read_applied(&applied(op, until)).unwrap(), [(op, until)]);
    }
}
