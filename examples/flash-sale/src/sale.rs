//! The sale: one run after the other, and what they come to.

use std::{process::ExitCode, sync::Arc};

use crate::{
    Failure,
    cli::{Mode, Options},
    measure::Summary,
    page::{self, Shown},
    report,
    run::Run,
    terminal::{self, Bar},
};

/// Holds all runs. The exit code tells whether unstick lost anything.
pub(crate) async fn hold(options: &Options) -> Result<ExitCode, Failure> {
    let [first, more, most] = options.nodes;
    println!("{} shoppers, {first} -> {more} -> {most} nodes, seed {}", options.shoppers, options.seed);
    let runs = options.modes.iter().map(|mode| Run::new(*mode, options)).collect();
    let shown = Arc::new(Shown { options: options.clone(), runs });
    if let Some(port) = options.page {
        println!("watch it on {}", page::serve(port, Arc::clone(&shown)).await?);
    }
    for run in &shown.runs {
        println!("\n{}: {}", run.mode.name(), run.mode.title());
        let bar = Bar::of(run);
        run.hold(options, &|mark| bar.say(mark)).await?;
    }
    let chapters = shown.chapters();
    let all: Vec<(Mode, &Summary)> = chapters.iter().map(|chapter| (chapter.mode, &chapter.summary)).collect();
    terminal::table(&all);
    if let Some(unpinned) = chapters.iter().map(|chapter| &chapter.unpinned).find(|unpinned| unpinned.nodes > 0) {
        println!("\n{}", unpinned.text());
    }
    if let Some(folder) = &options.out {
        report::write(folder, options, &chapters)?;
        println!("\nwritten: {} and report.json beside it", folder.join("report.html").display());
    }
    let code = verdict(&all);
    if options.page.is_some() {
        println!("\nthe page stays until Ctrl-C");
        tokio::signal::ctrl_c().await?;
    }
    Ok(code)
}

fn verdict(all: &[(Mode, &Summary)]) -> ExitCode {
    let has_lost = all.iter().any(|(mode, summary)| *mode == Mode::Unstick && summary.has_lost());
    if has_lost { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
