//! `cargo xtask bench`: the benchmarks, and the peers' beside them.

use crate::{cargo, packages};

const PACKAGE: &str = "unstick-benches";
const PEERS: &str = "benches/peers/Cargo.toml";

/// Runs the benchmarks; whether all went well. Arguments go to the benchmark programs.
pub(crate) fn run(args: &[String]) -> Result<bool, String> {
    if !cargo::packages()?.iter().any(|package| package.name == PACKAGE) {
        return Err(format!("this workspace has no package {PACKAGE} (directory benches)"));
    }
    let mut is_well = bench(&["-p", PACKAGE], args)?;
    if !cargo::root().join(PEERS).exists() {
        println!("no {PEERS}: nothing to compare with");
    } else if packages::is_on_path("valgrind") {
        is_well &= bench(&["--manifest-path", PEERS], args)?;
    } else {
        println!("the comparison with other crates counts instructions and needs valgrind (Debian: apt-get install valgrind); left out");
    }
    Ok(is_well)
}

fn bench(which: &[&str], args: &[String]) -> Result<bool, String> {
    let mut all = vec!["bench"];
    all.extend(which);
    if !args.is_empty() {
        all.push("--");
        all.extend(args.iter().map(String::as_str));
    }
    println!("$ {}", cargo::shown(&[], &all));
    let status = cargo::cargo().args(&all).status().map_err(|error| format!("cargo bench did not start: {error}"))?;
    Ok(status.success())
}
