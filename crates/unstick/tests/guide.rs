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

#[test]
fn every_word_of_a_page_that_looks_like_an_event_is_one() {
    let begins = |word: &str, kind: &EventKind| word.split('_').next() == kind.as_str().split('_').next();
    let mut events = 0;
    for page in [include_str!("../docs/operations.md"), include_str!("../docs/outages.md"), include_str!("../docs/security.md")] {
        for word in page.split('`').skip(1).step_by(2) {
            let is_name = word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if is_name && EventKind::ALL.iter().any(|kind| begins(word, kind)) {
                assert!(EventKind::ALL.iter().any(|kind| kind.as_str() == word), "there is no event {word}");
                events += 1;
            }
        }
    }
    assert!(events > 20, "only {events} events are named");
}

#[test]
fn labels_that_a_page_lists_are_those_of_the_series() {
    const SERIES: [&str; 2] = ["unstick_events_total{kind, cause, node}", "unstick_affinity_total{product, what, node}"];
    let mut listed = 0;
    for page in [DISAPPEARING, include_str!("../docs/operations.md"), include_str!("../docs/affinity.md")] {
        for word in page.split('`').filter(|word| word.starts_with("unstick_") && word.ends_with('}') && !word.contains('=')) {
            assert!(SERIES.contains(&word), "there is no {word}");
            listed += 1;
        }
    }
    assert!(listed > 2, "only {listed} lists of labels were found");
}

/// Every test of the workspace as `file::name`, where the file of a `mod.rs` or `main.rs` is its folder.
fn tests_below(folder: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            tests_below(&path, found);
            continue;
        }
        let stem = |path: &std::path::Path| path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let file = match stem(&path).as_str() {
            "main" | "mod" => path.parent().map(stem).unwrap_or_default(),
            own => own.to_owned(),
        };
        let text = if path.extension().is_some_and(|extension| extension == "rs") { std::fs::read_to_string(&path) } else { continue };
        let text = text.expect("a source file");
        found.extend(text.split("fn ").skip(1).filter_map(|rest| Some(format!("{file}::{}", rest.split_once('(')?.0))));
    }
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !root.join("tests/tests").is_dir() {
        return; // a published crate stands alone
    }
    let mut found = std::collections::BTreeSet::new();
    ["crates", "tests", "examples"].into_iter().for_each(|folder| tests_below(&root.join(folder), &mut found));
    let stories = |name: &str| found.contains(&format!("stories::{name}"));

    let mut named = 0;
    for page in ["capacity", "migrate_tower_sessions", "operations", "security"] {
        let text = std::fs::read_to_string(root.join(format!("crates/unstick/docs/{page}.md"))).expect("a page");
        for word in text.split('`').skip(1).step_by(2) {
            let is_name = |part: &str| part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            let is_sentence = |name: &str| is_name(name) && name.matches('_').count() >= 3;
            let is_there = match word.split_once("::") {
                Some((file, name)) if is_name(file) && is_sentence(name) => found.contains(word),
                None if is_sentence(word) && page == "migrate_tower_sessions" => stories(word),
                _ => continue,
            };
            assert!(is_there, "{page} names the test {word}, which is not there");
            named += 1;
        }
    }
    assert!(named > 60, "only {named} names were found in the pages");
}
