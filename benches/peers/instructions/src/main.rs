//! What sessions in this process cost a request and whether they are right: ours beside the peers, over a bare axum router.
//!
//! ```text
//! cargo run --release -p instructions               # all tables; needs valgrind
//! cargo run --release -p instructions -- run unstick read 10000 1000    # one case alone, for a profiler
//! cargo run --release -p instructions -- correctness    # only what becomes of sessions
//! ```
//! Instructions and allocations as callgrind counts them. Only the loop that sends the requests is collected. Every case runs twice, with N and with 2N requests over 2N sessions,
//! and the difference is divided by N, so that what is paid once cancels. Requests are sent one after another through the router on a current-thread
//! runtime, each in a session of its own, as most requests of a busy service are. Every router, the bare one included, is made ready by
//! `with_state(())`, as `axum::serve` and `into_make_service` do before they serve, and has axum's default features.
//!
//! Time is the processor's, of the thread. Each subject runs right beside a bare router of its own, in alternating order, and what is compared is
//! the ratio of the two, its median over the rounds and its quartiles. Every round begins with another subject.

mod apps;
mod report;
mod requests;
mod tables;
mod time;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["run", subject, case, count, sessions] => run(subject, case, count, sessions).map(|()| Vec::new()),
        ["correctness"] => report::correctness(),
        [] | ["report"] => report::report(report::REQUESTS),
        ["report", count] => count.parse().map_err(|_| format!("{count} is not a number")).and_then(report::report),
        _ => Err("usage: instructions [report [requests] | correctness | run <subject> <case> <requests> <sessions>]".to_owned()),
    };
    shared::finish(outcome)
}

fn run(subject: &str, case: &str, count: &str, sessions: &str) -> Result<(), String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is not a number"));
    let subject = apps::Subject::named(subject).ok_or_else(|| format!("no subject {subject}"))?;
    let case = requests::Case::named(case).ok_or_else(|| format!("no case {case}"))?;
    requests::send(subject, case, number(count)?, number(sessions)?)
}
