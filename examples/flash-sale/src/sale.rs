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
///
/// If a run cannot go on, the report tells of all that had happened until then.
pub(crate) async fn hold(options: &Options) -> Result<ExitCode, Failure> {
    let [first, more, most] = options.nodes;
    println!("{} shoppers, {first} -> {more} -> {most} nodes, seed {}", options.shoppers, options.seed);
    let runs = options.modes.iter().map(|mode| Run::new(*mode, options)).collect();
    let shown = Arc::new(Shown { options: options.clone(), runs });
    if let Some(port) = options.page {
        println!("watch it on {}", page::serve(port, Arc::clone(&shown)).await?);
    }
    let mut held = Ok(());
    for run in &shown.runs {
        println!("\n{}: {}", run.mode.name(), run.mode.title());
        let bar = Bar::of(run);
        held = run.hold(options, &|mark| bar.say(mark)).await;
        if held.is_err() {
            break;
        }
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
    let failure = held.as_ref().err().map(ToString::to_string);
    if let Some(folder) = &options.out {
        report::write(folder, options, &chapters, failure.as_deref())?;
        println!("\nwritten: {} and report.json beside it", folder.join("report.html").display());
    }
    held?;
    let complaints = complaints(&all);
    for complaint in &complaints {
        println!("\nunstick: {complaint}");
    }
    if options.page.is_some() {
        println!("\nthe page stays until Ctrl-C");
        tokio::signal::ctrl_c().await?;
    }
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why the run is not as it should be. What the shop promises is about unstick alone; the other two are there to be seen.
fn complaints(all: &[(Mode, &Summary)]) -> Vec<&'static str> {
    let mut complaints = Vec::new();
    for (_, summary) in all.iter().filter(|(mode, _)| *mode == Mode::Unstick) {
        if summary.has_lost() {
            complaints.push("something was lost, or somebody could not be served");
        }
        if summary.is_load_unknown() {
            complaints.push("too few requests after a scale-out to say anything of the load");
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{journal::Written, measure::Evenness};

    #[test]
    fn only_what_unstick_loses_is_a_failure() {
        let fine = Summary::of(&Written::default());
        let lost = Summary { carts_lost: 1, ..fine.clone() };
        assert_eq!(complaints(&[(Mode::Sticky, &lost), (Mode::RoundRobin, &lost), (Mode::Unstick, &fine)]).len(), 0);
        assert_eq!(complaints(&[(Mode::Sticky, &fine), (Mode::Unstick, &lost)]).len(), 1);
        let evenness = vec![Evenness { nodes: 3, requests: 59, windows: 0, worst_percent: None, newcomers_percent: None }];
        let unknown = Summary { evenness, ..fine };
        assert_eq!(complaints(&[(Mode::Unstick, &unknown)]), ["too few requests after a scale-out to say anything of the load"]);
    }
}
