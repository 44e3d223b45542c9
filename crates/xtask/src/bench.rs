//! `cargo xtask bench`: the benchmarks, and the peers' beside them. Each prints a table; those with goals fail when one is missed.

use crate::{
    cargo,
    packages::{self, Need},
};

const PEERS: &str = "benches/peers/Cargo.toml";

/// One program that measures.
#[derive(Debug)]
struct Part {
    name: &'static str,
    package: &'static str,
    is_among_peers: bool,
    need: Option<Need>,
}

const VALGRIND: Need = Need { program: "valgrind", package: "valgrind", why: "counts instructions" };

const PARTS: &[Part] = &[
    Part { name: "session", package: "unstick-benches", is_among_peers: false, need: None },
    Part { name: "affinity", package: "affinity", is_among_peers: true, need: Some(VALGRIND) },
    Part { name: "instructions", package: "instructions", is_among_peers: true, need: Some(VALGRIND) },
    Part {
        name: "redis",
        package: "redis",
        is_among_peers: true,
        need: Some(Need { program: "redis-server", package: "redis-server", why: "sessions are kept in it" }),
    },
    Part { name: "cache", package: "cache", is_among_peers: true, need: Some(VALGRIND) },
    Part { name: "token", package: "token", is_among_peers: true, need: Some(VALGRIND) },
];

/// How one part went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Well,
    /// A goal is missed; the part has said which.
    Missed,
    Failed,
    /// Its program is missing.
    LeftOut,
}

/// Runs the part named first, or all; whether all went well. Other arguments go to the part's program.
pub(crate) fn run(args: &[String]) -> Result<bool, String> {
    let (parts, args) = choose(args)?;
    let mut outcomes = Vec::new();
    for part in &parts {
        outcomes.push((part.name, one(part, args)?));
    }
    println!("{}", closing(&outcomes));
    Ok(is_well(&outcomes, parts.len() == 1))
}

/// The parts to run, and the arguments that are theirs.
fn choose(args: &[String]) -> Result<(Vec<&'static Part>, &[String]), String> {
    let Some((first, rest)) = args.split_first() else { return Ok((PARTS.iter().collect(), args)) };
    let known = || PARTS.iter().map(|part| part.name).collect::<Vec<_>>().join(", ");
    let part = PARTS.iter().find(|part| part.name == first);
    part.map(|part| (vec![part], rest)).ok_or_else(|| format!("there is no benchmark `{first}`; there are: {}", known()))
}

fn one(part: &Part, args: &[String]) -> Result<Outcome, String> {
    if let Some(need) = part.need.filter(|need| !packages::is_on_path(need.program)) {
        println!("{}", missing(part, &need));
        return Ok(Outcome::LeftOut);
    }
    let mut all = vec!["bench"];
    if part.is_among_peers {
        all.extend(["--manifest-path", PEERS]);
    }
    all.extend(["-p", part.package]);
    if !args.is_empty() {
        all.push("--");
        all.extend(args.iter().map(String::as_str));
    }
    println!("$ {}", cargo::shown(&[], &all));
    let status = cargo::cargo().args(&all).status().map_err(|error| format!("cargo bench did not start: {error}"))?;
    Ok(match status.code() {
        Some(0) => Outcome::Well,
        Some(1) => Outcome::Missed,
        _ => Outcome::Failed,
    })
}

fn missing(part: &Part, need: &Need) -> String {
    let Need { program, package, why } = need;
    format!(
        "the benchmark `{}` needs {program} ({why}); left out. To install it: sudo apt-get install -y --no-install-recommends {package}",
        part.name
    )
}

/// What was left out is no failure, unless it is what was asked for.
fn is_well(outcomes: &[(&str, Outcome)], is_named: bool) -> bool {
    outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Well || *outcome == Outcome::LeftOut && !is_named)
}

fn closing(outcomes: &[(&str, Outcome)]) -> String {
    let of = |wanted: Outcome| outcomes.iter().filter(move |(_, outcome)| *outcome == wanted).map(|(name, _)| *name).collect::<Vec<_>>();
    let told = [(Outcome::Missed, "missed a goal"), (Outcome::Failed, "failed"), (Outcome::LeftOut, "left out")];
    let told: Vec<_> = told.into_iter().map(|(outcome, what)| (of(outcome), what)).filter(|(names, _)| !names.is_empty()).collect();
    if told.is_empty() {
        return "bench: every goal is met".to_owned();
    }
    let told: Vec<_> = told.into_iter().map(|(names, what)| format!("{what}: {}", names.join(", "))).collect();
    format!("bench: {}", told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::{
        Outcome::{Failed, LeftOut, Missed, Well},
        PARTS, choose, closing, is_well, missing,
    };

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn all_parts_run_unless_one_is_named() {
        assert_eq!(choose(&[]).unwrap().0.len(), PARTS.len());
        let args = words("redis report 5");
        let (parts, rest) = choose(&args).unwrap();
        assert_eq!((parts.len(), parts[0].package, rest), (1, "redis", &args[1..]));
        let message = choose(&words("redi")).unwrap_err();
        assert!(PARTS.iter().all(|part| message.contains(part.name)), "{message}");
    }

    #[test]
    fn a_missing_program_is_named_with_what_to_type() {
        let redis = PARTS.iter().find(|part| part.name == "redis").unwrap();
        let sentence = missing(redis, &redis.need.unwrap());
        assert!(sentence.ends_with("apt-get install -y --no-install-recommends redis-server"), "{sentence}");
        assert!(is_well(&[("redis", LeftOut), ("token", Well)], false));
        assert!(!is_well(&[("redis", LeftOut)], true), "it was asked for");
    }

    #[test]
    fn the_last_line_names_what_missed_its_goal() {
        assert_eq!(closing(&[("redis", Well)]), "bench: every goal is met");
        let outcomes = [("instructions", Missed), ("redis", Missed), ("token", Failed), ("session", LeftOut)];
        assert_eq!(closing(&outcomes), "bench: missed a goal: instructions, redis; failed: token; left out: session");
        assert!(!is_well(&outcomes, false));
    }
}
