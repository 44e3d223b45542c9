//! `cargo xtask bench`: the benchmarks, and the peers' beside them. Each prints tables and keeps them with charts; those with goals fail when one is
//! missed. In the end one page has all that this run has kept.

mod page;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::SystemTime,
};

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
    /// What it compares.
    what: &'static str,
    is_among_peers: bool,
    need: Option<Need>,
}

impl Part {
    const fn peers(name: &'static str, what: &'static str, need: Need) -> Self {
        Self { name, package: name, what, is_among_peers: true, need: Some(need) }
    }
}

const VALGRIND: Need = Need { program: "valgrind", package: "valgrind", why: "counts instructions" };

const REDIS: Need = Need { program: "redis-server", package: "redis-server", why: "sessions are kept in it" };

const PARTS: &[Part] = &[
    Part {
        name: "session",
        package: "unstick-benches",
        what: "sessions in this process over a bare router, in time; a quick look without peers",
        is_among_peers: false,
        need: None,
    },
    Part::peers("affinity", "un-pinning over a layer that does nothing", VALGRIND),
    Part::peers("instructions", "sessions in this process beside tower-sessions and axum_session, over a bare router", VALGRIND),
    Part::peers("redis", "sessions in Redis beside tower-sessions, over a bare GET", REDIS),
    Part::peers("cache", "the cache beside moka, foyer, quick_cache and hitbox", VALGRIND),
    Part::peers("token", "sessions in a token beside jsonwebtoken", VALGRIND),
];

/// Tells the parts where to keep what they measured.
const FOLDER: &str = "UNSTICK_BENCH_FOLDER";

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
    if args.first().is_some_and(|first| first == "--list" || first == "--help") {
        print!("{}", list());
        return Ok(true);
    }
    let (parts, args) = choose(args)?;
    let folder = cargo::target_folder()?.join("bench");
    fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    let (start, mut outcomes) = (SystemTime::now(), Vec::new());
    for part in &parts {
        outcomes.push((part.name, one(part, args, &folder)?));
    }
    let names: Vec<_> = parts.iter().map(|part| part.name).collect();
    if let Some(page) = page::write(&folder, &names, start)? {
        println!("tables and charts of this run: {}", page.display());
    }
    println!("{}", closing(&outcomes));
    Ok(is_well(&outcomes, parts.len() == 1))
}

fn list() -> String {
    let width = PARTS.iter().map(|part| part.name.len()).max().unwrap_or_default();
    let line = |part: &Part| {
        let need = part.need.map(|need| format!("; needs {}", need.program)).unwrap_or_default();
        format!("  {:width$}  {}{need}\n", part.name, part.what)
    };
    let parts: String = PARTS.iter().map(line).collect();
    format!(
        "cargo xtask bench [PART [ARG…]]: all parts, or the one named; ARG… goes to its program, which says what it takes when it is wrong\n{parts}"
    )
}

/// The parts to run, and the arguments that are theirs.
fn choose(args: &[String]) -> Result<(Vec<&'static Part>, &[String]), String> {
    let Some((first, rest)) = args.split_first() else { return Ok((PARTS.iter().collect(), args)) };
    let known = || PARTS.iter().map(|part| part.name).collect::<Vec<_>>().join(", ");
    let part = PARTS.iter().find(|part| part.name == first);
    part.map(|part| (vec![part], rest)).ok_or_else(|| format!("there is no benchmark `{first}`; there are: {}", known()))
}

fn one(part: &Part, args: &[String], folder: &Path) -> Result<Outcome, String> {
    if let Some(need) = part.need.filter(|need| !packages::is_on_path(need.program)) {
        println!("{}", missing(part, &need));
        return Ok(Outcome::LeftOut);
    }
    let all = command_line(part, args);
    println!("$ {}", cargo::shown(&[], &all));
    let mut command = cargo::cargo();
    command.args(&all).env(FOLDER, folder);
    let code = if part.is_among_peers { command.status().map(|status| status.code()) } else { kept(&mut command, part, folder) };
    Ok(match code.map_err(|error| format!("cargo bench did not start: {error}"))? {
        Some(0) => Outcome::Well,
        Some(1) => Outcome::Missed,
        _ => Outcome::Failed,
    })
}

fn command_line<'a>(part: &Part, args: &'a [String]) -> Vec<&'a str> {
    let mut all = vec!["bench"];
    if part.is_among_peers {
        all.extend(["--manifest-path", PEERS]);
    }
    all.extend(["-p", part.package]);
    if !args.is_empty() {
        all.push("--");
        all.extend(args.iter().map(String::as_str));
    }
    all
}

/// Prints what the program prints, and keeps it: the benchmarks among the members keep nothing themselves.
fn kept(command: &mut Command, part: &Part, folder: &Path) -> std::io::Result<Option<i32>> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    if output.status.success() {
        let heading = format!("# {}\n\nFrom `cargo xtask bench {}`.\n\n", part.what, part.name);
        fs::write(folder.join(format!("{}.md", part.name)), heading + &text)?;
    }
    Ok(output.status.code())
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
        PARTS, choose, closing, command_line, is_well, list, missing,
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
    fn the_list_has_every_part_and_what_it_needs() {
        let list = list();
        assert!(PARTS.iter().all(|part| list.contains(&format!("  {} ", part.name)) && list.contains(part.what)), "{list}");
        assert!(list.contains("; needs redis-server\n") && list.contains("; needs valgrind\n"), "{list}");
    }

    #[test]
    fn peers_are_in_a_workspace_of_their_own_and_get_the_arguments() {
        let part = PARTS.iter().find(|part| part.name == "instructions").unwrap();
        let args = words("report 300");
        let line = command_line(part, &args).join(" ");
        assert_eq!(line, "bench --manifest-path benches/peers/Cargo.toml -p instructions -- report 300");
        assert_eq!(command_line(&PARTS[0], &[]), ["bench", "-p", "unstick-benches"]);
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
