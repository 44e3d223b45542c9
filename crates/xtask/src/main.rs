//! `cargo xtask check`, `cargo xtask test` and `cargo xtask bench`: every command the project has.

mod bench;
mod cargo;
mod check;
mod deny;
mod external;
mod files;
mod packages;
mod spdx;
mod summary;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <command>

  check [STEP…]              formatting, lints, docs, feature combinations, dependencies by deny.toml, public types, packages, and
                             rules of the repository; all steps, or those named
  test  [--long] [ARG…]      installs what is missing (as root on Debian) and runs every test;
                             --long: more seeded schedules, whole flash sales; ARG… goes to `cargo test` (-p CRATE, --test NAME, -- FILTER)
  bench [PART [ARG…]]        the benchmarks of benches/, ours beside the peers': all, or one of session, affinity, instructions,
                             redis, cache and token; ARG… goes to it. Tables are kept in the target directory, and a missed
                             goal is a failure that names it
";

fn main() -> ExitCode {
    if let Some(code) = external::stand_in() {
        return code;
    }
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    let outcome = match command.as_deref() {
        Some("check") => check::run(&rest),
        Some("test") => test::run(&rest),
        Some("bench") => bench::run(&rest),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(true)
        }
        Some(other) => Err(format!("there is no command `{other}`\n\n{USAGE}")),
        None => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
