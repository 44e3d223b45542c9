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

/// What a README says, to be run. See the [module docs](super).
#[derive(Debug)]
#[must_use]
pub struct Transcript {
    steps: Vec<Step>,
    programs: Vec<(String, PathBuf)>,
    environment: Vec<(String, String)>,
    replacements: Vec<(String, String)>,
}

/// Where what was printed differs from what was said. Displays both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    command: String,
    said: Vec<String>,
    printed: Vec<String>,
    why: &'static str,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, said, printed, why } = self;
        write!(f, "$ {command}\n{why}; the README says:\n{}\nprinted was:\n{}", said.join("\n"), printed.join("\n"))
    }
}

impl std::error::Error for Difference {}

impl Transcript {
    /// The steps of a README.
    pub fn of(readme: &str) -> Self {
        Self { steps: parse::steps(readme), programs: Vec::new(), environment: Vec::new(), replacements: Vec::new() }
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

    /// The README's address `documented` becomes a free one.
    ///
    /// # Panics
    /// When this machine has no free loopback port.
    pub fn address(self, documented: &str) -> Self {
        let port = free_port();
        self.replace(documented, &format!("127.0.0.1:{port}"))
    }

    /// The README's port, as a number that stands alone or after a colon, becomes a free one.
    ///
    /// # Panics
    /// When this machine has no free loopback port.
    pub fn port(self, documented: &str) -> Self {
        let port = free_port();
        self.replace(&format!(" {documented} "), &format!(" {port} ")).replace(&format!(":{documented}"), &format!(":{port}"))
    }

    /// Runs all steps, in an empty directory of their own.
    ///
    /// # Errors
    /// The first step that prints something else, does not start, or takes too long.
    ///
    /// # Panics
    /// When no directory can be made, or the README shows no command.
    pub fn run(self) -> Result<(), Difference> {
        assert!(!self.steps.is_empty(), "the README shows no command in a block marked `console`");
        let dir = tempfile::tempdir().expect("a directory for files");
        let mut background = Vec::new();
        for step in &self.steps {
            self.run_step(step, dir.path(), &mut background)?;
        }
        Ok(())
    }

    fn run_step(&self, step: &Step, dir: &Path, background: &mut Vec<Program>) -> Result<(), Difference> {
        let said: Vec<String> = step.output.iter().map(|line| self.actual(line)).collect();
        let command = self.actual(&step.command);
        let differs = |printed: &[String], why| Difference { command: command.clone(), said: said.clone(), printed: printed.to_vec(), why };
        let judged = |program: &mut Program, late| {
            let has_ended = await_that(|| program.has_ended());
            let printed = program.unseen();
            match has_ended {
                false => Err(differs(&printed, late)),
                true if !compare::is_all(&said, &printed) => Err(differs(&printed, "it differs")),
                true => Ok(()),
            }
        };
        if let Some(program) = killed(&command).and_then(|number| background.get_mut(number)) {
            program.signal("-TERM");
            return judged(program, "it did not end");
        }
        let mut program = Program::start(self.command(&command, dir)).map_err(|_| differs(&[], "it does not start"))?;
        if step.is_background {
            let has_said_it = await_that(|| compare::fit(&said, &program.unseen()).is_some() || program.has_ended());
            let printed = program.unseen();
            match compare::fit(&said, &printed) {
                Some(taken) if has_said_it && !program.has_ended() => program.seen = taken,
                _ => return Err(differs(&printed, "it differs, or it has ended")),
            }
            background.push(program);
            return Ok(());
        }
        judged(&mut program, "it takes too long")
    }

    fn command(&self, line: &str, dir: &Path) -> Command {
        // Variables may stand before the command, as in a shell.
        let words: Vec<&str> = line.split_whitespace().collect();
        let variables: Vec<_> = words.iter().map_while(|word| word.split_once('=')).filter(|(name, _)| is_variable(name)).collect();
        let rest = words.get(variables.len()..).unwrap_or_default().join(" ");
        let built = self.programs.iter().find_map(|(name, path)| Some((path, rest.strip_prefix(name.as_str())?)));
        let mut command = match built {
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
        command.current_dir(dir);
        for (name, value) in self.environment.iter().filter(|(name, _)| !variables.iter().any(|(own, _)| own == name)) {
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
    fn what_differs_is_shown() {
        for block in ["$ echo a\nb", "$ echo a", "$ true\na", "$ no-such-program-here\nfine"] {
            assert!(run(block).is_err(), "{block}");
        }
        assert!(run("$ echo a\nb").unwrap_err().to_string().contains("printed was:\na"));
    }
}
