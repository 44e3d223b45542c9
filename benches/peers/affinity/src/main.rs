//! What the layers of `unstick-affinity` cost a request, counted by callgrind over the same app with a layer that does nothing.
//!
//! ```text
//! cargo run --release -p affinity                     # the whole table; needs valgrind
//! cargo run --release -p affinity -- run on plain 10000    # one case alone, for a profiler
//! ```
//! Only the loop that sends the requests is collected. Every case runs twice, with N and with 2N requests, and the difference is divided by
//! N, so that what is paid once cancels. Requests are sent one after another through an axum router on a current-thread runtime.
//!
//! There is no other crate that does this work; tower-http's layer that sets one header stands beside it.

mod apps;
mod cases;
mod layers;
mod report;
mod requests;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["run", subject, carried, count] => run(subject, carried, count).map(|()| Vec::new()),
        [] | ["report"] => report::report(report::REQUESTS),
        ["report", count] => number(count).and_then(report::report),
        _ => Err("usage: affinity [report [requests] | run <subject> <cookies> <requests>]".to_owned()),
    };
    shared::finish(outcome)
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn run(subject: &str, carried: &str, count: &str) -> Result<(), String> {
    let subject = apps::Subject::named(subject).ok_or_else(|| format!("no subject {subject}"))?;
    let carried = requests::Carried::named(carried).ok_or_else(|| format!("no cookies {carried}"))?;
    requests::send(subject, carried, number(count)?)
}
