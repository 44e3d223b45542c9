//! What this dialect needs of a change beside the merge patch: its preconditions and its size, in a form that needs no path
//! to a field, because names in paths are escaped differently by different servers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use unstick_core::{Change, Error, ErrorKind, FieldChange, FieldVersion, Fields, Precondition};

fn to_text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::new(ErrorKind::Internal, "session data cannot be written as JSON"))
}

/// Names as an object, each with the same value.
struct Each<'a, V>(BTreeSet<&'a str>, V);

impl<V: Serialize> Serialize for Each<'_, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|name| (name, &self.1)))
    }
}

/// Preconditions in two parts, each `None` when there are none of its kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Preconditions {
    /// `{"name":[version]}`, which the fields must contain.
    pub(super) present: Option<String>,
    /// `{"name":0}`, which merged into the fields must add as many.
    pub(super) absent: Option<String>,
}

pub(super) fn preconditions(all: &[Precondition]) -> Result<Preconditions, Error> {
    let mut present: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for one in all.iter().filter(|one| one.version != FieldVersion::ABSENT) {
        present.entry(&one.name).or_default().push(one.version.as_u64());
    }
    let absent: BTreeSet<&str> = all.iter().filter(|one| one.version == FieldVersion::ABSENT).map(|one| &*one.name).collect();
    Ok(Preconditions {
        present: if present.is_empty() { None } else { Some(to_text(&present)?) },
        absent: if absent.is_empty() { None } else { Some(to_text(&Each(absent, 0))?) },
    })
}

/// Each removal as a patch of its own.
pub(super) fn removals(change: &Change) -> Result<Vec<String>, Error> {
    let removed = change.fields.iter().filter(|(_, one)| matches!(one, FieldChange::Remove));
    removed.map(|(name, _)| to_text(&Each(BTreeSet::from([&**name]), ()))).collect()
}

/// How a change alters the size of the fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Bytes of the names and values that it sets.
    pub(super) added: i64,
    /// `added` without the names in `touched`.
    pub(super) beside: i64,
    /// All names that it touches, as `{"name":[0,"j"]}`: empty fields.
    pub(super) touched: String,
}

fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX / 4)
}

pub(super) fn sizes(change: &Change) -> Result<Sizes, Error> {
    let set = change.fields.iter().filter(|(_, one)| matches!(one, FieldChange::Set(_)));
    let added = number(set.map(|(name, one)| name.len() + one.len()).sum());
    let touched: BTreeSet<&str> = change.fields.iter().map(|(name, _)| &**name).collect();
    let names = number(touched.iter().map(|name| name.len()).sum());
    Ok(Sizes { added, beside: added - names, touched: to_text(&Each(touched, (0, "j")))? })
}

/// For fields that are written whole.
pub(super) fn whole(fields: &Fields) -> Sizes {
    let size = number(fields.size());
    Sizes { added: size, beside: size, touched: "{}".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_in_a_path() {
        let change = Change::new().set("a\"b\\", "xyz").remove("$.c").remove("e");
        let change = change.expect("a\"b\\", FieldVersion::from_u64(7)).expect("d", FieldVersion::ABSENT);
        let both = preconditions(&change.preconditions).unwrap();
        assert_eq!(both.present.unwrap(), r#"{"a\"b\\":[7]}"#);
        assert_eq!(both.absent.unwrap(), r#"{"d":0}"#);
        assert_eq!(removals(&change).unwrap(), [r#"{"$.c":null}"#, r#"{"e":null}"#]);
        let touched = r#"{"$.c":[0,"j"],"a\"b\\":[0,"j"],"e":[0,"j"]}"#.to_owned();
        assert_eq!(sizes(&change).unwrap(), Sizes { added: 7, beside: -1, touched });
        assert_eq!(preconditions(&[]).unwrap(), Preconditions { present: None, absent: None });
    }
}
