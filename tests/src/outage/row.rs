//! One line of the table of outages, as Markdown.

use std::{fmt, time::Duration};

use unstick_testkit::load::Report;

use super::Losses;

/// What a fault came to.
#[derive(Debug)]
pub struct Row<'a> {
    /// Backend and fault.
    pub fault: &'a str,
    /// What the load saw.
    pub report: &'a Report<String>,
    /// What was lost; `None` when sessions as a whole were, by the backend.
    pub losses: Option<Losses>,
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, report, losses } = self;
        let errors: Vec<String> = report.errors.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        let errors = if errors.is_empty() { "none".to_owned() } else { errors.join(", ") };
        let (longest, slowest) = (seconds(Some(report.longest_outage)), seconds(Some(report.slowest)));
        write!(f, "| {fault} | {} | {errors} | {longest} | {slowest} | ", report.calls)?;
        match losses {
            Some(Losses { acknowledged, lost, logged_out, revived }) => {
                let (after_fault, after_repair) = (seconds(report.steady_after_start), seconds(report.steady_after_end));
                write!(f, "{after_fault} / {after_repair} | {lost} of {acknowledged} | {revived} of {logged_out} |")
            }
            None => f.write_str("as new sessions | sessions are lost, and reported as lost | – |"),
        }
    }
}
