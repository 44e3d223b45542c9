//! Finds the commands of a README, and what they are said to print.

/// One command and its output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Without the prompt and without a final `&`.
    pub command: String,
    /// Lines that it is said to print.
    pub output: Vec<String>,
    /// Whether it goes on in the background.
    pub is_background: bool,
}

/// The steps of all `console` blocks, in order.
pub(super) fn steps(readme: &str) -> Vec<Step> {
    let (mut steps, mut is_inside) = (Vec::<Step>::new(), false);
    for line in readme.lines() {
        match line.trim().strip_prefix("```") {
            Some(mark) => is_inside = !is_inside && mark == "console",
            None if is_inside => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(step(command)),
                (None, Some(step)) => step.output.push(line.trim_end().to_owned()),
                (None, None) => {}
            },
            None => {}
        }
    }
    for step in &mut steps {
        while step.output.last().is_some_and(String::is_empty) {
            step.output.pop();
        }
    }
    steps
}

fn step(command: &str) -> Step {
    let command = command.trim_end();
    let background = command.strip_suffix(" &");
    Step { command: background.unwrap_or(command).to_owned(), output: Vec::new(), is_background: background.is_some() }
}

#[cfg(test)]
mod tests {
    use super::steps;

    #[test]
    fn console_blocks_alone_count() {
        let readme = "$ no\n```console\n$ a &\none \n\n$ b\n\n```\n```text\n$ no\n```\n```console\n$ c\n  two\n```\nthree\n";
        let found: Vec<_> = steps(readme).into_iter().map(|step| (step.command, step.output.join("|"), step.is_background)).collect();
        assert_eq!(found, [("a".into(), "one".into(), true), ("b".into(), String::new(), false), ("c".into(), "  two".into(), false)]);
    }
}
