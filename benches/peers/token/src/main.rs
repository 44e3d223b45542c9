//! What it costs to seal a session of 1 KB into a token and to open it again: ours beside jsonwebtoken, in instructions, allocations, time and bytes.
//!
//! ```text
//! cargo run --release -p token                       # the table; needs valgrind
//! cargo run --release -p token -- run unstick-hs256 open 10000    # one case alone, for a profiler
//! ```
//! Both begin with a cart and end with a cart: JSON, claims, base64, signature or cipher, and the checks of issuer, audience and times
//! are within. jsonwebtoken 11 with its feature `rust_crypto`, which is built on the same primitives as ours.
//!
//! Instructions and allocations as callgrind counts them, N and 2N operations differenced; the processor's time as the median of rounds in which all take turns.

mod cart;
mod peer;
mod report;
mod subject;
mod unstick;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    shared::finish(match args[..] {
        [] | ["report"] => report::report(),
        ["run", subject, case, count] => report::run(subject, case, count).map(|()| Vec::new()),
        _ => Err("usage: token [report | run <subject> <seal or open> <operations>]".to_owned()),
    })
}
