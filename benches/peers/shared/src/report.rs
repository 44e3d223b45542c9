use std::{env, process::Command};

use serde_json::{Value, json};

use crate::{
    chart::{Chart, svg},
    saved::save,
};

/// What one part has measured: tables and charts of the same figures, printed and kept together.
///
/// `NAME.md` has the tables and refers to the charts, `NAME-CHART.svg`; `NAME.json` has the figures for programs.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    title: &'static str,
    /// The command, and the versions that were compared.
    foot: String,
    /// Without the charts, for the terminal.
    text: String,
    /// With them.
    markdown: String,
    charts: Vec<(String, Chart)>,
}

impl Report {
    /// Of the part `name`, made by `command` from crates whose versions are told.
    pub fn new(name: &'static str, title: &'static str, command: &str, crates: &[&str]) -> Self {
        let versions = crates.iter().filter_map(|name| version(LOCK, name).map(|version| format!("{name} {version}")));
        let told: Vec<String> = [format!("From `{command}`")].into_iter().chain(versions).chain(rust()).collect();
        let foot = format!("{}.", told.join(", "));
        let markdown = format!("# {title}\n\n{foot}\n");
        Self { name, title, foot, text: String::new(), markdown, charts: Vec::new() }
    }

    /// One more table, Markdown, under a heading; its charts, each with the end of its file's name, stand above it.
    pub fn section(&mut self, heading: &str, table: &str, charts: impl IntoIterator<Item = (&'static str, Chart)>) {
        let heading = format!("## {heading}\n\n");
        self.text.push_str(&format!("\n{heading}{table}"));
        self.markdown.push_str(&format!("\n{heading}"));
        for (end, chart) in charts {
            let file = format!("{}-{end}.svg", self.name);
            self.markdown.push_str(&format!("![{}]({file})\n\n", chart.title.replace(['[', ']'], "")));
            self.charts.push((file, chart));
        }
        self.markdown.push_str(table);
    }

    /// Prints the tables and keeps everything.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(self, rows: &Value) -> Result<(), String> {
        println!("{}", self.text);
        for (file, chart) in &self.charts {
            save(file, &svg(chart, &self.foot.replace('`', "")))?;
        }
        save(&format!("{}.md", self.name), &self.markdown)?;
        let json = json!({ "part": self.name, "title": self.title, "made": self.foot, "rows": rows });
        save(&format!("{}.json", self.name), &format!("{json:#}\n"))
    }
}

/// What this program was built from.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The version of a crate that the lock file has.
fn version(lock: &str, name: &str) -> Option<String> {
    let line = format!("name = \"{name}\"");
    let mut lines = lock.lines().skip_while(|other| *other != line).skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

/// The compiler's name and version, as cargo would call it.
fn rust() -> Option<String> {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.split(" (").next().map(|version| version.trim().to_owned()).filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{LOCK, Report, version};
    use crate::{Bar, Chart, Group};

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock =
            "[[package]]\nname = \"moka-x\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"moka\"\nversion = \"0.12.16\"\nsource = \"x\"\n";
        assert_eq!(version(lock, "moka").as_deref(), Some("0.12.16"));
        assert_eq!(version(lock, "mok"), None);
        assert!(version(LOCK, "moka").is_some(), "the lock file of this workspace");
    }

    #[test]
    fn a_section_refers_to_the_charts_that_are_kept_beside_it() {
        let mut report = Report::new("part", "A part", "cargo xtask bench part", &["moka", "no-such-crate"]);
        let chart =
            Chart { title: "A [chart]".to_owned(), unit: String::new(), groups: vec![Group::new("g", vec![Bar::new("a", 1.0, "1")])] };
        report.section("One", "| a |\n|---|\n| 1 |\n", [("first", chart)]);
        report.section("Two", "words\n", []);
        assert!(
            report.markdown.contains("## One\n\n![A chart](part-first.svg)\n\n| a |\n|---|\n| 1 |\n\n## Two\n\nwords\n"),
            "{}",
            report.markdown
        );
        assert_eq!(report.charts.iter().map(|(file, _)| file.as_str()).collect::<Vec<_>>(), ["part-first.svg"]);
        assert!(!report.text.contains("svg") && report.text.contains("| 1 |"));
        assert!(report.foot.starts_with("From `cargo xtask bench part`, moka 0.") && !report.foot.contains("no-such"), "{}", report.foot);
    }
}
