//! Rules about the repository's files. Every function returns what is wrong, one sentence each.

use std::{fs, path::Path, process::Command};

use crate::cargo::{Package, root};

const LINES_WORTH_A_LOOK: usize = 450;
const LINES_TOO_MANY: usize = 600;

/// Paths of somebody's machine. Put together here, so that this file does not hold them.
const MACHINE_PATHS: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/tm", "p/"), concat!("/Use", "rs/")];

/// Source files that grew too long; merely long ones are listed.
pub(crate) fn lengths() -> Vec<String> {
    let mut wrong = Vec::new();
    for file in tracked().iter().filter(|file| file.starts_with("crates/") && file.contains("/src/") && file.ends_with(".rs")) {
        let lines = text(file).lines().count();
        match judge_length(lines) {
            Length::Fine => {}
            Length::WorthALook => println!("  {file}: {lines} lines, worth a look"),
            Length::TooLong => wrong.push(format!("{file} has {lines} lines, over {LINES_TOO_MANY}: split it")),
        }
    }
    wrong
}

#[derive(Debug, PartialEq, Eq)]
enum Length {
    Fine,
    WorthALook,
    TooLong,
}

fn judge_length(lines: usize) -> Length {
    if lines <= LINES_WORTH_A_LOOK {
        Length::Fine
    } else if lines <= LINES_TOO_MANY {
        Length::WorthALook
    } else {
        Length::TooLong
    }
}

/// The facade's README is the root's, and shows the two commands.
pub(crate) fn readme() -> Vec<String> {
    let mut wrong = Vec::new();
    let link = "crates/unstick/README.md";
    if fs::read_link(root().join(link)).ok().as_deref() != Some(Path::new("../../README.md")) {
        wrong.push(format!("{link} is not a symbolic link to ../../README.md"));
    }
    let readme = text("README.md");
    for command in ["cargo run -p example-shop", "cargo xtask test"] {
        if !readme.contains(command) {
            wrong.push(format!("README.md does not show `{command}`"));
        }
    }
    wrong
}

/// No tracked text holds a path of the machine it was written on.
pub(crate) fn machine_paths() -> Vec<String> {
    let files = tracked();
    if files.is_empty() {
        return vec!["git ls-files lists nothing: run this in a clone".to_owned()];
    }
    let hits = files.iter().flat_map(|file| machine_path_lines(&text(file)).into_iter().map(move |line| (file, line)));
    hits.map(|(file, line)| format!("{file}:{line} holds a path of somebody's machine")).collect()
}

fn machine_path_lines(text: &str) -> Vec<usize> {
    let has_path = |line: &str| {
        MACHINE_PATHS.iter().any(|path| {
            line.match_indices(path)
                .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || "-_.".contains(before)))
        })
    };
    text.lines().enumerate().filter(|(_, line)| has_path(line)).map(|(index, _)| index + 1).collect()
}

/// Licence texts and the changes of this version are there, and every member says what it is and under which licence.
pub(crate) fn licences(packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in ["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"] {
        if text(file).is_empty() {
            wrong.push(format!("{file} is missing"));
        }
    }
    let heading = concat!("\n## [", env!("CARGO_PKG_VERSION"), "] - ");
    if !text("CHANGELOG.md").contains(heading) {
        wrong.push(format!("CHANGELOG.md has no heading `{}…`", heading.trim_start()));
    }
    for Package { name, description, license, .. } in packages {
        if license != "MIT OR Apache-2.0" {
            wrong.push(format!("{name} has the licence `{license}`: write license.workspace = true"));
        }
        if description.is_empty() || description == "to be described" {
            wrong.push(format!("{name} has no description"));
        }
    }
    wrong
}

/// What `cargo package` would put into a published crate.
pub(crate) fn packaged(name: &str, list: &str) -> Vec<String> {
    let files: Vec<&str> = list.lines().collect();
    let mut wrong = Vec::new();
    for needed in ["src/lib.rs", "README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        if !files.contains(&needed) {
            wrong.push(format!("{name} would be published without its {needed}"));
        }
    }
    for stray in files.iter().filter(|file| [".sqlite", ".log", ".rej"].iter().any(|end| file.ends_with(end))) {
        wrong.push(format!("{name} would be published with {stray}"));
    }
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let missing = included(file, &text(&format!("crates/{name}/{file}"))).into_iter().filter(|path| !files.contains(&path.as_str()));
        wrong.extend(missing.map(|path| format!("{name} would be published without {path}, which {file} includes")));
    }
    wrong
}

/// The files that a source file compiles in, from the crate's directory.
fn included(file: &str, text: &str) -> Vec<String> {
    let macros = [concat!("include_", "str!(\""), concat!("include_", "bytes!(\"")];
    let begins = macros.iter().flat_map(|begin| text.match_indices(begin).map(|(at, _)| at + begin.len()));
    let paths = begins.filter_map(|at| text[at..].split_once('"').map(|(path, _)| path));
    paths.map(|path| joined(file, path)).collect()
}

/// A path beside `file`, as the list of a package writes it.
fn joined(file: &str, path: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Files under version control, and those that are about to be.
fn tracked() -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let output = git.output().map(|output| output.stdout).unwrap_or_default();
    let names = output.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// A file's text; empty when there is none or it is not text.
fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Length, included, judge_length, licences, machine_path_lines, packaged};
    use crate::cargo::Package;

    #[test]
    fn long_files_are_listed_and_longer_ones_refused() {
        assert_eq!(judge_length(450), Length::Fine);
        assert_eq!(judge_length(451), Length::WorthALook);
        assert_eq!(judge_length(601), Length::TooLong);
    }

    #[test]
    fn paths_of_a_machine_are_found_and_lookalikes_are_not() {
        let text = format!("fine\nsee {}/x\n\"{}/y\"\n/var/{}/z\nhttps://example.com{}/a", "/tmp", "/home", "tmp", "/home");
        assert_eq!(machine_path_lines(&text), [2, 3]);
    }

    #[test]
    fn a_member_without_licence_or_description_is_named() {
        let package = |license: &str, description: &str| Package {
            name: "p".to_owned(),
            description: description.to_owned(),
            license: license.to_owned(),
            features: vec![],
            has_lib: true,
            published: true,
            external: vec![],
        };
        let count = |package| licences(&[package]).iter().filter(|wrong| wrong.starts_with("p ")).count();
        assert_eq!(count(package("MIT OR Apache-2.0", "does something")), 0);
        assert_eq!(count(package("", "to be described")), 2);
    }

    #[test]
    fn a_package_holds_its_sources_its_licences_and_nothing_stray() {
        let whole = "Cargo.toml\nsrc/lib.rs\nREADME.md\nLICENSE-MIT\nLICENSE-APACHE";
        assert!(packaged("p", whole).is_empty());
        assert_eq!(packaged("p", "Cargo.toml\nsrc/lib.rs\nx.sqlite").len(), 4);
    }

    #[test]
    fn files_that_are_compiled_in_are_found_from_where_they_are_named() {
        let text = format!("{}(\"../../lua/a.lua\"), {}(\"b.bin\")", concat!("include_", "str!"), concat!("include_", "bytes!"));
        assert_eq!(included("src/level/store.rs", &text), ["lua/a.lua", "src/level/b.bin"]);
    }
}
