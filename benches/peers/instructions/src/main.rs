//! Instructions per request, counted by callgrind: ours beside the peers, over a bare axum router.
//!
//! ```text
//! cargo run --release -p instructions               # the whole table; needs valgrind
//! cargo run --release -p instructions -- run unstick read 10000    # one case alone, for a profiler
//! ```
//! Every case runs twice, with N and with 2N requests; the difference is divided by N, so that start-up cancels.
//! Requests are sent one after another through the router on a current-thread runtime.

mod apps;
mod report;
mod requests;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["run", subject, case, count] => run(subject, case, count).map(|()| true),
        [] | ["report"] => report::report(report::REQUESTS),
        ["report", count] => count.parse().map_err(|_| format!("{count} is not a number")).and_then(report::report),
        _ => Err("usage: instructions [report [requests] | run <subject> <case> <requests>]".to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(subject: &str, case: &str, count: &str) -> Result<(), String> {
    let subject = apps::Subject::named(subject).ok_or_else(|| format!("no subject {subject}"))?;
    let case = requests::Case::named(case).ok_or_else(|| format!("no case {case}"))?;
    requests::send(subject, case, count.parse().map_err(|_| format!("{count} is not a number"))?)
}
