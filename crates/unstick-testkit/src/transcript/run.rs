//! Runs the steps of a README.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{compare, parse, parse::Step, program::Program};
use crate::servers::{free_port, poll};

/// How long a step may take. Far more than any should.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a README is begun anew because somebody else took a port between its choice and its use.
const ATTEMPTS: usize = 3;

/// What a README says, to be run. See the [module docs](super).
#[derive(Debug)]
#[must_use]
pub struct Transcript {
    steps: Vec<Step>,
    programs: Vec<(String, PathBuf)>,
    environment: Vec<(String, String)>,
    replacements: Vec<(String, String)>,
    ports: Vec<Port>,
}

/// Everything that a README says of one port, and the text around the number that takes its place.
#[derive(Debug)]
struct Port(Vec<(String, [&'static str; 2])>);

/// Where what was printed differs from what was said. Displays both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    command: String,
    said: Vec<String>,
    printed: Vec<String>,
    why: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, said, printed, why } = self;
        write!(f, "$ {command}\n{why}; the README says:\n{}\nprinted was:\n{}", said.join("\n"), printed.join("\n"))
    }
}

impl std::error::Error for Difference {}

impl Difference {
    /// Whether a program said that somebody else has its port.
    fn names_a_taken_port(&self) -> bool {
        self.printed.iter().any(|line| ["in use", "cannot bind"].iter().any(|words| line.contains(words)))
    }
}

impl Transcript {
    /// The steps of a README.
    pub fn of(readme: &str) -> Self {
        Self { steps: parse::steps(readme), programs: Vec::new(), environment: Vec::new(), replacements: Vec::new(), ports: Vec::new() }
    }

    /// A program that is built already: `program("cargo run -p example-axum", env!("CARGO_BIN_EXE_example-axum"))`. Arguments may follow it.
    pub fn program(mut self, command: &str, path: impl Into<PathBuf>) -> Self {
        self.programs.push((command.to_owned(), path.into()));
        self
    }

    /// An environment variable for all commands.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the README calls `documented` is `actual` here: the URL of a server, for one. In commands and in what they print.
    pub fn replace(mut self, documented: &str, actual: &str) -> Self {
        self.replacements.push((documented.to_owned(), actual.to_owned()));
        self
    }

    /// The README's address `documented` becomes a free one on loopback.
    pub fn address(mut self, documented: &str) -> Self {
        self.ports.push(Port(vec![(documented.to_owned(), ["127.0.0.1:", ""])]));
        self
    }

    /// The README's port, as a number that stands alone or after a colon, becomes a free one.
    pub fn port(mut self, documented: &str) -> Self {
        self.ports.push(Port(vec![(format!(" {documented} "), [" ", " "]), (format!(":{documented}"), [":", ""])]));
        self
    }

    /// Runs all steps, in an empty directory of their own.
    ///
    /// # Errors
    /// The first step that prints something else, fails, does not start, or takes too long.
    ///
    /// # Panics
    /// When no directory can be made, there is no free port, or the README shows no command.
    pub fn run(self) -> Result<(), Difference> {
        assert!(!self.steps.is_empty(), "the README shows no command in a block marked `console`");
        let mut outcome = self.run_once();
        for _ in 1..ATTEMPTS {
            match &outcome {
                Err(difference) if !self.ports.is_empty() && difference.names_a_taken_port() => outcome = self.run_once(),
                _ => break,
            }
        }
        outcome
    }

    fn run_once(&self) -> Result<(), Difference> {
        let dir = tempfile::tempdir().expect("a directory for files");
        let ports = self.ports.iter().flat_map(|Port(places)| {
            let port = free_port();
            places.iter().map(move |(documented, [before, after])| (documented.clone(), format!("{before}{port}{after}")))
        });
        let replacements = self.replacements.iter().cloned().chain(ports).collect();
        let mut run = Run { transcript: self, dir: dir.path(), replacements, background: Vec::new() };
        self.steps.iter().try_for_each(|step| run.step(step))
    }
}

/// One run of all steps.
struct Run<'a> {
    transcript: &'a Transcript,
    dir: &'a Path,
    replacements: Vec<(String, String)>,
    background: Vec<Program>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Difference> {
        let said: Vec<String> = step.output.iter().map(|line| self.actual(line)).collect();
        let command = self.actual(&step.command);
        let differs = |printed: &[String], why: &str| Difference {
            command: command.clone(),
            said: said.clone(),
            printed: printed.to_vec(),
            why: why.to_owned(),
        };
        let judged = |program: &mut Program, late| {
            let has_ended = await_that(|| program.has_ended());
            let printed = program.unseen();
            match (has_ended, program.failure()) {
                (false, _) => Err(differs(&printed, late)),
                (true, Some(code)) => Err(differs(&printed, &format!("it ended with the code {code}"))),
                (true, None) if !compare::is_all(&said, &printed) => Err(differs(&printed, "it differs")),
                (true, None) => Ok(()),
            }
        };
        if let Some(program) = killed(&command).and_then(|number| self.background.get_mut(number)) {
            program.signal("-TERM");
            return judged(program, "it did not end");
        }
        let mut program = Program::start(self.command(&command)).map_err(|_| differs(&[], "it does not start"))?;
        if step.is_background {
            let has_said_it = await_that(|| compare::fit(&said, &program.unseen()).is_some() || program.has_ended());
            let printed = program.unseen();
            match compare::fit(&said, &printed) {
                Some(taken) if has_said_it && !program.has_ended() => program.seen = taken,
                _ => return Err(differs(&printed, "it differs, or it has ended")),
            }
            self.background.push(program);
            return Ok(());
        }
        judged(&mut program, "it takes too long")
    }

    fn command(&self, line: &str) -> Command {
        // Variables may stand before the command, as in a shell.
        let words: Vec<&str> = line.split_whitespace().collect();
        let variables: Vec<_> = words.iter().map_while(|word| word.split_once('=')).filter(|(name, _)| is_variable(name)).collect();
        let rest = words.get(variables.len()..).unwrap_or_default().join(" ");
        let built = self.transcript.programs.iter().find_map(|(name, path)| Some((path, rest.strip_prefix(name.as_str())?)));
        let mut command = match built {
            Some((path, args)) if args.contains('>') => {
                let mut command = Command::new("sh");
                let variables: String = words[..variables.len()].iter().map(|variable| format!("{variable} ")).collect();
                command.args(["-c", &format!("exec env {variables}{}{}", path.display(), args.replacen(" -- ", " ", 1))]);
                command
            }
            Some((path, args)) => {
                let mut command = Command::new(path);
                command.args(args.split_whitespace().filter(|arg| *arg != "--")).envs(variables.iter().copied());
                command
            }
            None => {
                let mut command = Command::new("sh");
                command.args(["-c", line]);
                command
            }
        };
        command.current_dir(self.dir);
        for (name, value) in self.transcript.environment.iter().filter(|(name, _)| !variables.iter().any(|(own, _)| own == name)) {
            command.env(name, value);
        }
        command
    }

    fn actual(&self, text: &str) -> String {
        self.replacements.iter().fold(text.to_owned(), |text, (documented, actual)| text.replace(documented, actual))
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn killed(command: &str) -> Option<usize> {
    command.strip_prefix("kill %")?.parse::<usize>().ok()?.checked_sub(1)
}

fn await_that(mut is_so: impl FnMut() -> bool) -> bool {
    poll(PATIENCE, || is_so().then_some(())).is_some()
}

#[cfg(test)]
mod tests {
    use super::{Difference, Transcript};

    fn run(block: &str) -> Result<(), Difference> {
        Transcript::of(&format!("```console\n{block}\n```"))
            .program("cargo run -p greeter", "/bin/echo")
            .replace("example.org", "here")
            .env("WHO", "you")
            .run()
    }

    #[test]
    fn commands_share_a_directory_and_variables() {
        run("$ echo $WHO > file\n$ cat file\nyou\n$ GREETING=1 cargo run -p greeter -- at example.org\nat example.org").unwrap();
    }

    #[test]
    fn output_goes_into_a_file() {
        run("$ GREETING=1 cargo run -p greeter -- at example.org > file\n$ cat file\nat here").unwrap();
    }

    #[test]
    fn a_background_program_goes_on_until_it_is_killed() {
        let program = "trap 'echo bye; exit' TERM; tail -f /dev/null & echo up; wait";
        run(&format!("$ {program} &\nup\n$ echo meanwhile\nmeanwhile\n$ kill %1\nbye")).unwrap();
        assert!(run("$ echo up &\nup\n$ kill %1").is_err(), "it has ended by itself");
    }

    #[test]
    fn errors_stand_where_they_were_printed() {
        let lines: String = (0..200).map(|n| format!("\nout {n}\nerror {n}")).collect();
        run(&format!("$ for n in $(seq 0 199); do echo out $n; echo error $n >&2; done{lines}")).unwrap();
    }

    #[test]
    fn a_program_that_fails_is_no_transcript() {
        assert!(run("$ echo fine; exit 3\nfine").unwrap_err().to_string().contains("the code 3"));
        assert!(run("$ trap 'exit 4' TERM; tail -f /dev/null & echo up; wait &\nup\n$ kill %1").is_err());
        run("$ (exit 3); echo $?\n3").unwrap();
    }

    #[test]
    fn a_port_that_was_taken_meanwhile_is_chosen_anew() {
        // The first run finds it taken, whichever it is.
        let once = tempfile::NamedTempFile::new().unwrap();
        let command = format!("rm {0} 2>/dev/null && echo address in use || echo on 127.0.0.1:80", once.path().display());
        let readme = format!("```console\n$ {command}\non 127.0.0.1:80\n```");
        Transcript::of(&readme).address("127.0.0.1:80").run().unwrap();
        std::fs::write(once.path(), "").unwrap();
        assert!(Transcript::of(&readme).run().is_err(), "nothing to choose");
    }

    #[test]
    fn what_differs_is_shown() {
        for block in ["$ echo a\nb", "$ echo a", "$ true\na", "$ no-such-program-here\nfine"] {
            assert!(run(block).is_err(), "{block}");
        }
        assert!(run("$ echo a\nb").unwrap_err().to_string().contains("printed was:\na"));
    }
}
