//! The sale: one run after the other, and what they come to.

use std::process::ExitCode;

use crate::{
    Failure,
    cli::{Mode, Options},
    measure::Summary,
    run::Run,
    terminal::{self, Bar},
    unpinned::Unpinned,
};

/// Holds all runs. The exit code tells whether unstick lost anything.
pub(crate) async fn hold(options: &Options) -> Result<ExitCode, Failure> {
    let [first, more, most] = options.nodes;
    println!("{} shoppers, {first} -> {more} -> {most} nodes, seed {}", options.shoppers, options.seed);
    let runs: Vec<Run> = options.modes.iter().map(|mode| Run::new(*mode, options)).collect();
    let mut all = Vec::new();
    for run in &runs {
        println!("\n{}: {}", run.mode.name(), run.mode.title());
        let bar = Bar::of(run);
        let unpinned = run.hold(options, &|mark| bar.say(mark)).await?;
        drop(bar);
        all.push((run.mode, Summary::of(&run.journal.copy()), unpinned));
    }
    terminal::table(&all);
    Ok(verdict(&all))
}

fn verdict(all: &[(Mode, Summary, Unpinned)]) -> ExitCode {
    let has_lost = all.iter().any(|(mode, summary, _)| *mode == Mode::Unstick && summary.has_lost());
    if has_lost { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
