//! What may be in the lock files, by `deny.toml`: licences, crates that stay out, and where crates come from.
//!
//! The same file is read by cargo-deny, which does all of this and looks up advisories besides; here is what needs neither it nor a network.

use std::{collections::BTreeSet, fs, path::Path, process::Stdio};

use serde_json::Value;
use toml::Table;

use crate::{
    cargo::{self, root},
    spdx,
};

/// Where all crates come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The workspaces, each with a lock file, and whether what it holds is part of what users get.
const WORKSPACES: &[(&str, bool)] = &[("Cargo.toml", true), ("benches/peers/Cargo.toml", false), ("fuzz/Cargo.toml", false)];

/// What `deny.toml` says, as far as it is judged here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    allowed: Vec<String>,
    /// Crate, and licences that only it may have.
    exceptions: Vec<(String, Vec<String>)>,
    /// Crate, and why it stays out.
    banned: Vec<(String, String)>,
    /// Advisories that are accepted without a reason.
    unexplained: Vec<String>,
}

/// One package of a lock file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Locked {
    name: String,
    version: String,
    license: Option<String>,
    /// `None` for what lies in the workspace.
    source: Option<String>,
}

/// Judges every lock file. What is wrong, one sentence each.
pub(crate) fn check() -> Vec<String> {
    let rules = match fs::read_to_string(root().join("deny.toml")).map_err(|error| error.to_string()).and_then(|text| rules(&text)) {
        Ok(rules) => rules,
        Err(error) => return vec![format!("deny.toml is not readable: {error}")],
    };
    let mut wrong: Vec<_> = rules.unexplained.iter().map(|id| format!("deny.toml ignores {id} without a reason")).collect();
    for (manifest, shipped) in WORKSPACES {
        match locked(manifest) {
            Ok(packages) => {
                println!("  {manifest}: {} packages", packages.len());
                wrong.extend(judge(&rules, &packages, *shipped).into_iter().map(|sentence| format!("{manifest}: {sentence}")));
            }
            Err(error) if *shipped => wrong.push(error),
            Err(error) => println!("  {manifest} NOT CHECKED: {error}"),
        }
    }
    wrong
}

pub(crate) fn rules(text: &str) -> Result<Rules, String> {
    let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let list = |section: &str, key: &str| table.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array);
    let list = |section: &str, key: &str| list(section, key).cloned().unwrap_or_default();
    let text = |value: &toml::Value, key: &str| value.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let texts = |values: &[toml::Value]| values.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let rules = Rules {
        allowed: texts(&list("licenses", "allow")),
        exceptions: list("licenses", "exceptions")
            .iter()
            .map(|one| (text(one, "crate"), one.get("allow").and_then(toml::Value::as_array).map(|all| texts(all)).unwrap_or_default()))
            .collect(),
        banned: list("bans", "deny").iter().map(|one| (text(one, "crate"), text(one, "reason"))).collect(),
        unexplained: list("advisories", "ignore")
            .iter()
            .filter(|one| text(one, "reason").is_empty())
            .map(|one| one.as_str().map_or_else(|| text(one, "id"), str::to_owned))
            .collect(),
    };
    let nameless = rules.exceptions.iter().map(|(name, _)| name).chain(rules.banned.iter().map(|(name, _)| name)).any(String::is_empty);
    if rules.allowed.is_empty() || nameless {
        return Err("`licenses.allow` is a list of licences; its exceptions and `bans.deny` name a `crate` each".to_owned());
    }
    Ok(rules)
}

/// What is wrong with `packages`. In what is `shipped`, every licence of the list must be needed, and no banned crate may be.
pub(crate) fn judge(rules: &Rules, packages: &[Locked], shipped: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut needed = BTreeSet::new();
    for Locked { name, version, license, source } in packages {
        let excepted = |licence: &str| rules.exceptions.iter().any(|(of, also)| of == name && also.iter().any(|also| also == licence));
        let allowed = |licence: &str| rules.allowed.iter().any(|allowed| allowed == licence) || excepted(licence);
        match license.as_deref().map(|license| (license, spdx::met(license, &allowed))) {
            None => wrong.push(format!("{name} {version} states no licence")),
            Some((_, Err(error))) => wrong.push(format!("{name} {version}: {error}")),
            Some((license, Ok(None))) => {
                wrong.push(format!("{name} {version} has the licence `{license}`, which deny.toml does not allow"))
            }
            Some((_, Ok(Some(by)))) => needed.extend(by),
        }
        if let Some(source) = source.as_deref().filter(|source| *source != REGISTRY) {
            wrong.push(format!("{name} {version} comes from {source}"));
        }
        if let Some((_, reason)) = rules.banned.iter().find(|(banned, _)| shipped && banned == name) {
            wrong.push(format!("{name} {version} is to stay out: {reason}"));
        }
    }
    let unneeded = rules.allowed.iter().filter(|allowed| shipped && !needed.contains(allowed.as_str()));
    wrong.extend(unneeded.map(|allowed| format!("deny.toml allows {allowed}, which no package needs")));
    wrong
}

/// The packages of a lock file, those of other platforms included if they are there or can be fetched.
fn locked(manifest: &str) -> Result<Vec<Locked>, String> {
    let all = ["metadata", "--format-version", "1", "--locked", "--all-features", "--manifest-path", manifest];
    let metadata = |more: &[&str]| {
        let output = cargo::cargo().args(all).args(more).stderr(Stdio::piped()).output().map_err(|error| error.to_string())?;
        if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    };
    let everything = metadata(&["--offline"]).or_else(|_| metadata(&[]));
    let json = everything.or_else(|_: String| {
        println!("  {manifest}: packages of other platforms are not here and cannot be fetched; NOT CHECKED");
        metadata(&["--offline", "--filter-platform", &host()?])
    });
    let json = json.map_err(|error| format!("{manifest}: {}", error.lines().next().unwrap_or("cargo metadata failed")))?;
    parse(&json)
}

fn host() -> Result<String, String> {
    let output = cargo::cargo().arg("-vV").output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "cargo -vV names no host".to_owned())
}

fn parse(json: &[u8]) -> Result<Vec<Locked>, String> {
    let metadata: Value = serde_json::from_slice(json).map_err(|error| format!("cargo metadata is not readable: {error}"))?;
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let package = |package: &Value| Locked {
        name: text(&package["name"]).unwrap_or_default(),
        version: text(&package["version"]).unwrap_or_default(),
        license: text(&package["license"]),
        source: text(&package["source"]),
    };
    Ok(metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?.iter().map(package).collect())
}

/// Whether cargo-deny is installed.
pub(crate) fn is_installed() -> bool {
    cargo::cargo().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success())
}

/// Whether a copy of the advisory database is where cargo-deny keeps it.
pub(crate) fn has_advisories() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(Into::into).or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let databases = home.map(|home: std::path::PathBuf| home.join("advisory-dbs"));
    databases.is_some_and(|dir| {
        fs::read_dir(dir).is_ok_and(|mut entries| entries.any(|entry| is_database(entry.ok().as_ref().map(fs::DirEntry::path).as_deref())))
    })
}

fn is_database(path: Option<&Path>) -> bool {
    path.is_some_and(|path| path.join(".git").exists())
}

#[cfg(test)]
mod tests {
    use super::{Locked, REGISTRY, judge, parse, rules};

    const RULES: &str = r#"
        advisories.ignore = [{ id = "RUSTSEC-1", reason = "not reached" }]
        licenses.allow = ["MIT"]
        licenses.exceptions = [{ crate = "data", allow = ["CDLA-Permissive-2.0"] }]
        bans.deny = [{ crate = "rsa", reason = "a leak" }]
    "#;

    fn package(name: &str, license: Option<&str>) -> Locked {
        Locked {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
            source: Some(REGISTRY.to_owned()),
        }
    }

    fn wrong(package: Locked) -> Vec<String> {
        judge(&rules(RULES).unwrap(), &[package, self::package("a", Some("MIT"))], true)
    }

    #[test]
    fn a_licence_is_on_the_list_or_excepted_for_its_crate() {
        assert_eq!(wrong(package("p", Some("MIT OR GPL-3.0-only"))), <[String; 0]>::default());
        assert_eq!(wrong(package("data", Some("CDLA-Permissive-2.0"))), <[String; 0]>::default());
        assert_eq!(wrong(package("p", Some("GPL-3.0-only"))), ["p 1.0.0 has the licence `GPL-3.0-only`, which deny.toml does not allow"]);
        assert_eq!(wrong(package("p", Some("CDLA-Permissive-2.0"))).len(), 1);
        assert_eq!(wrong(package("p", None)), ["p 1.0.0 states no licence"]);
        assert_eq!(wrong(package("p", Some("MIT OR"))).len(), 1);
    }

    #[test]
    fn what_nobody_needs_is_not_allowed() {
        let rules = rules(&RULES.replace("[\"MIT\"]", "[\"MIT\", \"ISC\"]")).unwrap();
        let packages = [package("p", Some("MIT"))];
        assert_eq!(judge(&rules, &packages, true), ["deny.toml allows ISC, which no package needs"]);
        assert_eq!(judge(&rules, &packages, false), <[String; 0]>::default());
    }

    #[test]
    fn banned_crates_stay_out_of_what_is_shipped() {
        assert_eq!(wrong(package("rsa", Some("MIT"))), ["rsa 1.0.0 is to stay out: a leak"]);
        assert_eq!(judge(&rules(RULES).unwrap(), &[package("rsa", Some("MIT"))], false), <[String; 0]>::default());
    }

    #[test]
    fn crates_come_from_the_registry_or_lie_here() {
        let from = |source: Option<&str>| Locked { source: source.map(str::to_owned), ..package("p", Some("MIT")) };
        assert_eq!(wrong(from(None)), <[String; 0]>::default());
        assert_eq!(wrong(from(Some("git+https://example.com/p"))), ["p 1.0.0 comes from git+https://example.com/p"]);
    }

    #[test]
    fn an_ignored_advisory_has_a_reason() {
        assert_eq!(rules(RULES).unwrap().unexplained, <[String; 0]>::default());
        for ignored in [r#"["RUSTSEC-1"]"#, r#"[{ id = "RUSTSEC-1" }]"#] {
            let text = format!("advisories.ignore = {ignored}\nlicenses.allow = [\"MIT\"]");
            assert_eq!(rules(&text).unwrap().unexplained, ["RUSTSEC-1"]);
        }
    }

    #[test]
    fn a_file_without_rules_is_refused() {
        assert!(rules("").is_err() && rules("[").is_err());
        assert!(rules("licenses.allow = [\"MIT\"]\nbans.deny = [{ name = \"rsa\" }]").is_err());
    }

    #[test]
    fn the_rules_of_the_repository_are_read_and_keep_out_what_has_a_known_leak() {
        let rules = rules(include_str!("../../../deny.toml")).unwrap();
        for name in ["rsa", "openssl", "openssl-sys", "native-tls"] {
            assert!(rules.banned.iter().any(|(banned, reason)| banned == name && !reason.is_empty()), "{name}");
        }
        assert!(rules.allowed.iter().all(|allowed| !allowed.contains("GPL") && !allowed.contains("MPL")), "{:?}", rules.allowed);
        assert!(parse(b"{}").is_err());
    }
}
