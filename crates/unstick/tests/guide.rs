//! What the guides promise about themselves.

use unstick::core::{Cause, EventKind};

const DISAPPEARING: &str = include_str!("../docs/disappearing.md");

/// The part of the page below a heading.
fn part(cause: Cause) -> &'static str {
    let heading = cause.as_str().replace('_', " ");
    let parts = DISAPPEARING.split("\n## ").skip(1);
    parts.into_iter().find(|part| part.to_lowercase().starts_with(&heading)).unwrap_or_else(|| panic!("no part on {heading}"))
}

#[test]
fn every_event_with_a_cause_is_explained_where_its_cause_is() {
    for kind in EventKind::ALL {
        let row = format!("| `{}`", kind.as_str());
        for cause in Cause::ALL {
            assert_eq!(part(cause).contains(&row), kind.cause() == Some(cause), "{kind:?} under {cause:?}");
        }
    }
}

#[test]
fn every_name_of_an_event_in_the_page_is_one() {
    let rows = DISAPPEARING.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let unknown: Vec<_> = rows.filter(|name| !EventKind::ALL.iter().any(|kind| kind.as_str() == *name)).collect();
    assert_eq!(unknown, [""; 0]);
}
