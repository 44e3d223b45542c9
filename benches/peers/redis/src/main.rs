//! Sessions in Redis, ours beside tower-sessions: requests per second as ratios to GET, and commands on the wire.
//!
//! ```text
//! cargo run --release -p redis                       # both tables; starts a redis-server of its own
//! cargo run --release -p redis -- report 5           # the same with 5 rounds
//! cargo run --release -p redis -- only unstick-read,peer-read 5   # the speed of these subjects alone, 5 rounds
//! cargo run --release -p redis -- wire               # only the commands on the wire
//! cargo run --release -p redis -- run unstick-read 100000    # one subject alone, for a profiler
//! ```
//! Speed: 64 tasks on a runtime of one worker per core, each sending one request after the other, in process, every client with one
//! connection to the same server and the same settings. Each subject runs right beside a run of GET, in alternating order; what is
//! compared is the ratio of the two, its median over the rounds and its quartiles. Every round begins with another subject.
//!
//! Beside it the processor time per operation, of this program and of the server, which a busy machine changes less.
//!
//! Commands: what `MONITOR` reports, so that commands inside of scripts are left out: they are no trips.

mod apps;
mod cart;
mod cpu;
mod load;
mod report;
mod server;
mod subjects;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    shared::finish(match args[..] {
        [] | ["report"] => report::report(report::ROUNDS),
        ["report", rounds] => number(rounds).and_then(report::report),
        ["only", subjects, rounds] => number(rounds).and_then(|rounds| report::only(subjects, rounds)),
        ["wire"] => report::wire_alone(),
        ["run", subject, count] => number(count).and_then(|count| report::run(subject, count)),
        _ => Err("usage: redis [report [rounds] | only <subject,subject..> <rounds> | wire | run <subject> <requests>]".to_owned()),
    })
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text} is not a number of anything"))
}
