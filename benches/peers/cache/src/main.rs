//! What a cache costs, ours beside moka, foyer, quick_cache and hitbox: hits, misses and stampedes, and what becomes of an
//! invalidation that comes during a load.
//!
//! ```text
//! cargo run --release -p cache                       # all tables; needs valgrind
//! cargo run --release -p cache -- report 9           # the same with 9 rounds
//! cargo run --release -p cache -- speed 9            # without counting instructions
//! cargo run --release -p cache -- behaviour          # only what is right and what is not
//! cargo run --release -p cache -- run "unstick get" strings 100000    # one subject alone, for a profiler
//! ```
//! Speed: 10 000 values of 256 bytes behind an `Arc`, asked for in shuffled order, all of them in every cache. Each subject runs right beside a
//! run of a bare moka of its own (`moka::sync::Cache::get`, the same hasher, capacity and lifetime), in alternating order; what is compared is the
//! ratio of the two, its median over the rounds and its quartiles. Every round begins with another subject. A cache that takes
//! keys by value is handed one that is there already, as from a request. Every run comes after one that is not timed: what the processor has at hand of a cache does not depend on who ran before.
//!
//! What is compared is processor time of the thread: the time for which it had to wait for other programs is not in it.
//!
//! Instructions per hit, as callgrind counts them, N and 2N differenced, the copying of a key that is handed over included: those do not change with what else the machine does.
//!
//! Stale reads: a history of reads, writes, invalidations and loads, the same for all, whose steps a seed decides and not the machine's clock.
//!
//! hitbox keeps bytes, not values: its figures contain decoding (bincode).

mod behaviour;
mod history;
mod keys;
mod report;
mod run;
mod source;
mod subjects;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    shared::finish(match args[..] {
        [] | ["report"] => report::report(report::ROUNDS, true),
        ["report", rounds] => number(rounds).and_then(|rounds| report::report(rounds, true)),
        ["speed", rounds] => number(rounds).and_then(|rounds| report::report(rounds, false)),
        ["behaviour"] => report::behaviour_alone(),
        ["run", subject, keys, count] => number(count).and_then(|count| run::run(subject, keys, count)).map(|()| Vec::new()),
        _ => Err("usage: cache [report [rounds] | speed <rounds> | behaviour | run <subject> <strings or numbers> <hits>]".to_owned()),
    })
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text} is not a number of anything"))
}
