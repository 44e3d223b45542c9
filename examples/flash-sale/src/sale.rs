//! The sale: one run after the other, and what they come to.

use std::{process::ExitCode, sync::Arc};

use crate::{
    Failure,
    cli::{Mode, Options, Product},
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
    if let Some(chapter) = chapters.iter().find(|chapter| chapter.mode == Mode::Unstick) {
        println!("\n{}", report::pinned_text(chapter));
        println!("{}", chapter.unpinned.text());
        if options.balancer == Product::HaProxy {
            println!("(this HAProxy takes its cookie out of requests, so that nodes cannot see it; they delete it unseen)");
        }
    }
    if let Some(folder) = &options.out {
        report::write(folder, options, &chapters)?;
        println!("\nwritten: {} and report.json beside it", folder.join("report.html").display());
    }
    let code = if has_lost(&all) { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if options.page.is_some() {
        println!("\nthe page stays until Ctrl-C");
        tokio::signal::ctrl_c().await?;
    }
    Ok(code)
}

/// What the shop promises is about unstick alone; the other two are there to be seen.
fn has_lost(all: &[(Mode, &Summary)]) -> bool {
    all.iter().any(|(mode, summary)| *mode == Mode::Unstick && summary.has_lost())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Written;

    #[test]
    fn only_what_unstick_loses_is_a_failure() {
        let fine = Summary::of(&Written::default());
        let lost = Summary { carts_lost: 1, ..fine.clone() };
        assert!(!has_lost(&[(Mode::Sticky, &lost), (Mode::RoundRobin, &lost), (Mode::Unstick, &fine)]));
        assert!(has_lost(&[(Mode::Sticky, &fine), (Mode::Unstick, &lost)]));
    }
}
