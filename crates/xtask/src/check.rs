//! `cargo xtask check`: named steps, each of which can be run alone.

use std::{process::Command, time::Instant};

use crate::{
    cargo::{self, Package},
    deny, external, files,
};

/// Why a step failed, and how to repeat it.
struct Failure {
    what: Vec<String>,
    repeat: String,
}

type Step = (&'static str, fn(&[Package]) -> Result<(), Failure>);

const STEPS: &[Step] = &[
    ("fmt", fmt),
    ("lengths", |_| rule("lengths", files::lengths())),
    ("readme", |_| rule("readme", files::readme())),
    ("paths", |_| rule("paths", files::machine_paths())),
    ("licences", |packages| rule("licences", files::licences(packages))),
    ("dependencies", dependencies),
    ("clippy", clippy),
    ("features", features),
    ("external", external_types),
    ("docs", docs),
    ("package", package),
];

/// Runs the steps named, or all; whether all is well.
pub(crate) fn run(names: &[String]) -> Result<bool, String> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|(step, _)| step == name)) {
        let known: Vec<_> = STEPS.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no step `{unknown}`; there are: {}", known.join(", ")));
    }
    let packages = cargo::packages()?;
    let mut failed = Vec::new();
    for (name, step) in STEPS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name)) {
        println!("== {name}");
        let start = Instant::now();
        let result = step(&packages);
        let seconds = start.elapsed().as_secs_f32();
        match result {
            Ok(()) => println!("== {name}: ok, {seconds:.1} s"),
            Err(Failure { what, repeat }) => {
                what.iter().for_each(|sentence| println!("  {sentence}"));
                println!("== {name}: FAILED, {seconds:.1} s; to repeat: {repeat}");
                failed.push(*name);
            }
        }
    }
    if failed.is_empty() {
        println!("check: all is well");
    } else {
        println!("check: failed: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}

fn fmt(_: &[Package]) -> Result<(), Failure> {
    run_cargo(&[], &["fmt", "--all", "--", "--check"])
}

/// By `deny.toml`: ours always, since it needs no network; cargo-deny's as well, where it is.
fn dependencies(_: &[Package]) -> Result<(), Failure> {
    rule("dependencies", deny::check())?;
    let checks: &[&str] = match (deny::is_installed(), deny::has_advisories()) {
        (true, true) => &["advisories", "bans", "licenses", "sources"],
        (true, false) => &["bans", "licenses", "sources"],
        (false, _) => &[],
    };
    if !checks.is_empty() {
        run_cargo(&[], &[&["deny", "--offline", "check"], checks].concat())?;
    }
    if !checks.contains(&"advisories") {
        println!("  ADVISORIES NOT CHECKED: cargo-deny or its database is not here; with a network, once:");
        println!("    cargo install cargo-deny --locked && cargo deny check advisories");
    }
    Ok(())
}

fn clippy(_: &[Package]) -> Result<(), Failure> {
    run_cargo(&[], &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])
}

/// With all features, and each library as it comes: what is linked must be there in both.
fn docs(packages: &[Package]) -> Result<(), Failure> {
    let deny = [("RUSTDOCFLAGS", "-D warnings")];
    run_cargo(&deny, &["doc", "--workspace", "--no-deps", "--all-features"])?;
    packages
        .iter()
        .filter(|package| package.has_lib)
        .try_for_each(|Package { name, .. }| run_cargo(&deny, &["doc", "--quiet", "--no-deps", "-p", name]))
}

/// With the same features as `clippy` and `docs`, so that no dependency is compiled for it.
fn external_types(packages: &[Package]) -> Result<(), Failure> {
    let args = ["doc", "--workspace", "--no-deps", "--all-features"];
    let output = quiet(&args).envs(external::environment()).output().map_err(|error| failed(&[], &args, &error.to_string()))?;
    if !output.status.success() {
        return Err(failed(&[], &args, &String::from_utf8_lossy(&output.stderr)));
    }
    let docs = cargo::target_folder().map_err(|error| failed(&[], &args, &error))?.join("doc");
    let published = packages.iter().filter(|package| package.published && package.has_lib);
    rule("external", published.flat_map(|package| external::check(package, &docs)).collect())
}

/// Features whose code meets in one crate: what one of them brings is compiled only with another.
const TOGETHER: &[(&str, &[&str])] = &[(
    "unstick",
    &[
        "cache,serde",
        "cache,redis",
        "cache,redis-tls",
        "cache,postgres",
        "cache,serde,redis",
        "cache,serde,postgres",
        "serde,redis",
        "serde,postgres",
        "serde,token",
    ],
)];

/// Every library without features, with each one alone, and with those that meet; a warning is a failure, as it would be in `clippy`.
fn features(packages: &[Package]) -> Result<(), Failure> {
    for package in packages.iter().filter(|package| package.has_lib) {
        let none = ["check", "--lib", "--no-default-features", "-p", &package.name];
        run_quietly(&none)?;
        for feature in package.features.iter().filter(|feature| *feature != "default") {
            run_quietly(&[&none[..], &["--features", feature]].concat())?;
        }
        for together in TOGETHER.iter().filter(|(name, _)| *name == package.name).flat_map(|(_, together)| *together) {
            run_quietly(&[&none[..], &["--features", together]].concat())?;
        }
    }
    Ok(())
}

/// Lists what each package would hold, then makes them all. They are not compiled: `features` does that, and every file that is compiled
/// in is among those listed.
fn package(packages: &[Package]) -> Result<(), Failure> {
    let mut all = vec!["package", "--no-verify", "--offline", "--allow-dirty"];
    for Package { name, .. } in packages.iter().filter(|package| package.published && package.has_lib) {
        let args = ["package", "--list", "--allow-dirty", "-p", name];
        let output = quiet(&args).output().map_err(|error| failed(&[], &args, &error.to_string()))?;
        if !output.status.success() {
            return Err(failed(&[], &args, &String::from_utf8_lossy(&output.stderr)));
        }
        rule("package", files::packaged(name, &String::from_utf8_lossy(&output.stdout)))?;
        all.extend(["-p", name]);
    }
    let output = quiet(&all).output().map_err(|error| failed(&[], &all, &error.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(failed(&[], &all, &String::from_utf8_lossy(&output.stderr))) }
}

fn rule(step: &str, what: Vec<String>) -> Result<(), Failure> {
    if what.is_empty() { Ok(()) } else { Err(Failure { what, repeat: format!("cargo xtask check {step}") }) }
}

fn run_cargo(env: &[(&str, &str)], args: &[&str]) -> Result<(), Failure> {
    let status = cargo::cargo().args(args).envs(env.iter().copied()).status().map_err(|error| failed(env, args, &error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(env, args, "")) }
}

/// As [`run_cargo`], but shows the output only of what failed or warned: there are many of these.
fn run_quietly(args: &[&str]) -> Result<(), Failure> {
    let output = quiet(args).output().map_err(|error| failed(&[], args, &error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && !is_warning(&text) { Ok(()) } else { Err(failed(&[], args, &text)) }
}

/// A command whose output is read, so it must not be coloured, whatever the environment says.
fn quiet(args: &[&str]) -> Command {
    let mut command = cargo::cargo();
    command.args(args).env("CARGO_TERM_COLOR", "never");
    command
}

/// Whether cargo closed a crate with "generated n warnings"; crates of others never do.
fn is_warning(output: &str) -> bool {
    output.lines().any(|line| line.starts_with("warning: `") && line.contains(" generated "))
}

fn failed(env: &[(&str, &str)], args: &[&str], output: &str) -> Failure {
    Failure { what: output.lines().map(str::to_owned).collect(), repeat: cargo::shown(env, args) }
}

#[cfg(test)]
mod tests {
    use super::{STEPS, failed, is_warning, quiet, rule, run};

    #[test]
    fn a_warning_of_ours_is_seen() {
        assert!(is_warning("    Checking a\nwarning: `unstick` (lib) generated 1 warning\n    Finished"));
        assert!(!is_warning("    Checking a\n    Finished `dev` profile"));
    }

    #[test]
    fn colours_do_not_hide_a_warning() {
        let command = quiet(&["check"]);
        let colour = command.get_envs().find(|(name, _)| *name == "CARGO_TERM_COLOR").and_then(|(_, value)| value);
        assert_eq!(colour.and_then(|value| value.to_str()), Some("never"));
    }

    #[test]
    fn a_failure_tells_how_to_repeat_it() {
        assert_eq!(failed(&[("A", "b c")], &["doc"], "").repeat, "A='b c' cargo doc");
        assert_eq!(
            rule("readme", vec!["wrong".to_owned()]).err().map(|failure| failure.repeat),
            Some("cargo xtask check readme".to_owned())
        );
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_known_ones() {
        let message = run(&["lint".to_owned()]).unwrap_err();
        assert!(STEPS.iter().all(|(name, _)| message.contains(name)), "{message}");
    }
}
