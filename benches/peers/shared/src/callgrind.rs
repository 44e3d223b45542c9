use std::{env, process::Command};

/// How the function is to be named whose instructions are collected: `measured` in the crate's root or in one of its modules.
///
/// It must not be generic, nor inlined, and its closures must not be called by the same name. Their calls would toggle collection, too.
pub const COLLECTED: &str = "measured";

/// Instructions that this program spends in `module::measured`, when started with `args` under callgrind.
///
/// # Errors
/// When valgrind is missing, when the program fails under it, and when nothing was collected.
pub fn collected(module: &str, args: &[&str]) -> Result<i64, String> {
    let program = env::current_exe().map_err(|error| format!("this program's path is unknown: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={module}::{COLLECTED}"))
        .arg(program)
        .args(args)
        .env_remove("RUST_LOG")
        .output()
        .map_err(|error| format!("valgrind did not start ({error}); on Debian: apt-get install valgrind"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} failed under valgrind:\n{said}", args.join(" ")));
    }
    let count = said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim().parse());
    match count.and_then(Result::ok) {
        Some(0) => Err(format!("callgrind did not see `{module}::{COLLECTED}` in {}", args.join(" "))),
        Some(count) => Ok(count),
        None => Err(format!("callgrind printed no count:\n{said}")),
    }
}
