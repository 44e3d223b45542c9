//! Links of the pages lead somewhere: to files of the repository, to other pages, and to headings in them. So do the tests in their commands.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

const HERE: [&str; 2] = ["https://github.com/unstick-rs/unstick/blob/main/", "https://github.com/unstick-rs/unstick/tree/main"];
const GUIDES: &str = "crates/unstick/docs";

/// Every Markdown page of the repository that people are led to.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = vec![root.join("README.md"), root.join("examples/README.md")];
    for folder in [GUIDES, "crates/unstick-affinity/docs"] {
        let found = fs::read_dir(root.join(folder)).expect("a folder of pages");
        pages.extend(found.map(|entry| entry.expect("a page").path()).filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let examples = fs::read_dir(root.join("examples")).expect("examples");
    pages.extend(examples.map(|entry| entry.expect("an example").path().join("README.md")).filter(|path| path.is_file()));
    pages
}

/// What follows each `](`, up to the closing bracket; code has no such thing.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link).filter(|link| !link.contains(' ')).collect()
}

/// The names by which a heading is linked, as GitHub and rustdoc make them.
fn headings(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut names: BTreeSet<String> = text.split("<a id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        if !is_code && line.starts_with('#') {
            let title = line.trim_start_matches('#').trim().split("<a ").next().unwrap_or_default().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            names.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    names
}

/// The file and the heading that a link of `page` means. `None`: it leads elsewhere, or rustdoc judges it.
fn target(root: &Path, page: &Path, link: &str) -> Option<(PathBuf, String)> {
    let (place, heading) = link.split_once('#').unwrap_or((link, ""));
    let file = match HERE.iter().find_map(|here| place.strip_prefix(here)) {
        Some(path) => root.join(path.trim_start_matches('/')),
        None => match place.strip_prefix("crate::guide::") {
            Some(guide) => root.join(GUIDES).join(guide).with_extension("md"),
            None if place == "crate" => root.join("README.md"),
            None if place.is_empty() => page.to_owned(),
            None if place.contains("::") || place.contains("://") => return None,
            None => page.parent()?.join(place),
        },
    };
    Some((file, heading.to_owned()))
}

/// Without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let root = plain(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    if !root.join("examples").is_dir() {
        return; // a published crate stands alone
    }
    let (mut wrong, mut followed) = (Vec::new(), 0);
    for page in pages(&root) {
        let text = fs::read_to_string(&page).expect("a page");
        for link in links(&text) {
            let Some((file, heading)) = target(&root, &page, link) else { continue };
            let is_there = plain(&file).exists()
                && (heading.is_empty() || fs::read_to_string(&file).is_ok_and(|text| headings(&text).contains(&heading)));
            if !is_there {
                wrong.push(format!("{} in {}", link, page.display()));
            }
            followed += 1;
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(followed > 80, "only {followed} links were found");
}

/// Where the tests of a crate are.
fn tests_of(root: &Path, name: &str) -> PathBuf {
    match name.strip_prefix("example-") {
        Some(example) => root.join("examples").join(example).join("tests"),
        None if name == "unstick-stories" => root.join("tests/tests"),
        None => root.join("crates").join(name).join("tests"),
    }
}

/// The words that follow an option.
fn values<'a>(command: &'a str, option: &str) -> Vec<&'a str> {
    let words: Vec<&str> = command.split_whitespace().collect();
    words.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1]).collect()
}

#[test]
fn every_test_of_a_command_is_there() {
    let root = plain(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    if !root.join("examples").is_dir() {
        return; // a published crate stands alone
    }
    let (mut wrong, mut named) = (Vec::new(), 0);
    for page in pages(&root) {
        let text = fs::read_to_string(&page).expect("a page");
        for command in text.split('`').filter(|span| span.contains("--test ")) {
            // Where no crate is named, the page has said that it is about the stories.
            let folder = tests_of(&root, values(command, "-p").first().unwrap_or(&"unstick-stories"));
            for test in values(command, "--test").into_iter().filter(|test| *test != "file") {
                let is_there = folder.join(test).with_extension("rs").is_file() || folder.join(test).join("main.rs").is_file();
                if !is_there {
                    wrong.push(format!("{command} in {}", page.display()));
                }
                named += 1;
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(named > 40, "only {named} tests were found");
}

#[test]
fn a_heading_is_linked_by_its_words() {
    let names = headings("# Step 3: read the report\n```text\n# no heading\n```\n### `token:`<a id=\"token\"></a>\n");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["step-3-read-the-report", "token"]);
}
