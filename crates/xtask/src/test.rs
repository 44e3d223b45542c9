//! `cargo xtask test`: provides, runs, adds up.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    process::Stdio,
};

use crate::{cargo, packages, summary::Summary};

/// Seeded schedules per story under `--long`.
const LONG_SCHEDULES: &str = "20000";

/// Runs the tests; whether all is well. The last line is the sum.
pub(crate) fn run(args: &[String]) -> Result<bool, String> {
    packages::provide();
    let mut command = cargo::cargo();
    command.args(cargo_args(args));
    if args.iter().any(|arg| arg == "--long") {
        command.env("UNSTICK_LONG", "1");
        if env::var_os("UNSTICK_SCHEDULES").is_none() {
            command.env("UNSTICK_SCHEDULES", LONG_SCHEDULES);
        }
    }
    if is_everything_required(env::var("UNSTICK_REQUIRE").ok().as_deref(), env::var("CI").ok().as_deref()) {
        println!("a missing program or server fails the run (UNSTICK_REQUIRE=all)");
        command.env("UNSTICK_REQUIRE", "all");
    } else {
        println!("a missing program or server skips its tests; CI=true or UNSTICK_REQUIRE=all makes it a failure");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cargo test did not start: {error}"))?;
    let mut summary = Summary::default();
    let read = child.stdout.take().map_or(Ok(()), |output| stream(output, io::stdout().lock(), &mut summary));
    let status = child.wait().map_err(|error| format!("cargo test was lost: {error}"))?;
    let finished = summary.finish(status.success() && read.is_ok());

    println!();
    finished.remarks.iter().for_each(|remark| println!("{remark}"));
    println!("{finished}");
    Ok(finished.failed == 0)
}

/// Every crate unless one is named, every feature, and all binaries even after one has failed.
fn cargo_args(args: &[String]) -> Vec<&str> {
    let args = args.iter().map(String::as_str).filter(|arg| *arg != "--long");
    let mut all = vec!["test", "--all-features", "--no-fail-fast"];
    let names_crates = |arg: &str| arg.starts_with("-p") || arg.starts_with("--package") || arg == "--workspace";
    if !args.clone().take_while(|arg| *arg != "--").any(names_crates) {
        all.push("--workspace");
    }
    all.extend(args);
    all
}

/// Continuous integration and whoever asks for it want a failure, not a skip.
fn is_everything_required(require: Option<&str>, ci: Option<&str>) -> bool {
    require.map_or(ci == Some("true"), |require| require == "all")
}

/// Passes the output on as it comes, and reads along.
fn stream(output: impl Read, mut onto: impl Write, summary: &mut Summary) -> io::Result<()> {
    let (mut output, mut line) = (BufReader::new(output), Vec::new());
    while output.read_until(b'\n', &mut line)? > 0 {
        onto.write_all(&line)?;
        onto.flush()?;
        summary.line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{cargo_args, is_everything_required, stream};
    use crate::summary::Summary;

    fn args(words: &str) -> String {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        cargo_args(&words).join(" ")
    }

    #[test]
    fn the_workspace_is_tested_unless_a_crate_is_named() {
        assert_eq!(args("--long"), "test --all-features --no-fail-fast --workspace");
        assert_eq!(args("-p unstick-core -- cookie"), "test --all-features --no-fail-fast -p unstick-core -- cookie");
        for named in ["-punstick-core", "--package=unstick-core", "--package unstick-core", "--workspace"] {
            assert_eq!(args(named), format!("test --all-features --no-fail-fast {named}"));
        }
        assert_eq!(args("-- -p"), "test --all-features --no-fail-fast --workspace -- -p");
    }

    #[test]
    fn continuous_integration_requires_everything() {
        assert!(is_everything_required(None, Some("true")));
        assert!(is_everything_required(Some("all"), None));
        assert!(!is_everything_required(None, None));
        assert!(!is_everything_required(Some(""), Some("true")), "can be lifted by name");
    }

    #[test]
    fn output_that_is_no_utf8_is_read_along() {
        let (mut summary, mut passed_on) = (Summary::default(), Vec::new());
        let output = b"\xff\xfe\nrunning 1 test\ntest result: ok. 1 passed; 0 failed";
        stream(&output[..], &mut passed_on, &mut summary).unwrap();
        assert_eq!(passed_on, output);
        assert_eq!(summary.finish(true).to_string(), "1 passed, 0 failed, 0 skipped");
    }
}
