//! What this dialect needs of a change beside the merge patch: its preconditions and its size, in a form that needs no path
//! to a field, because names in paths are escaped differently by different servers.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use unstick_core::{Change, Error, ErrorKind, FieldVersion, Precondition};

fn to_text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::new(ErrorKind::Internal, "session data cannot be written as JSON"))
}

/// Names as a merge patch that takes them all out.
struct Removal<I>(I);

impl<'a, I: Iterator<Item = &'a str> + Clone> Serialize for Removal<I> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.clone().map(|name| (name, None::<()>)))
    }
}

/// Preconditions in two parts, each `None` when there are none of its kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Preconditions {
    /// `{"name":[version]}`, which the fields must contain.
    pub(super) present: Option<String>,
    /// `{"name":null}`, which taken out of the fields must leave as many.
    pub(super) absent: Option<String>,
}

pub(super) fn preconditions(all: &[Precondition]) -> Result<Preconditions, Error> {
    let mut present: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for one in all.iter().filter(|one| one.version != FieldVersion::ABSENT) {
        present.entry(&one.name).or_default().push(one.version.as_u64());
    }
    let absent = all.iter().filter(|one| one.version == FieldVersion::ABSENT).map(|one| &*one.name);
    Ok(Preconditions {
        present: if present.is_empty() { None } else { Some(to_text(&present)?) },
        absent: if absent.clone().next().is_none() { None } else { Some(to_text(&Removal(absent))?) },
    })
}

/// Bytes of the names and values that a change sets.
pub(super) fn added(change: &Change) -> usize {
    change.fields.iter().filter(|(_, one)| matches!(one, unstick_core::FieldChange::Set(_))).map(|(name, one)| name.len() + one.len()).sum()
}

/// All names that a change touches, as the removal of them.
pub(super) fn touched(change: &Change) -> Result<String, Error> {
    to_text(&Removal(change.fields.iter().map(|(name, _)| &**name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_in_a_path() {
        let change =
            Change::new().set("a\"b\\", "xyz").remove("$.c").expect("a\"b\\", FieldVersion::from_u64(7)).expect("d", FieldVersion::ABSENT);
        let both = preconditions(&change.preconditions).unwrap();
        assert_eq!(both.present.unwrap(), r#"{"a\"b\\":[7]}"#);
        assert_eq!(both.absent.unwrap(), r#"{"d":null}"#);
        assert_eq!(touched(&change).unwrap(), r#"{"a\"b\\":null,"$.c":null}"#);
        assert_eq!(added(&change), 7);
        assert_eq!(preconditions(&[]).unwrap(), Preconditions { present: None, absent: None });
    }
}
