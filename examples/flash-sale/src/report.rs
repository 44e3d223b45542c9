//! The report: what the page shows while the sale goes on, and what is written when it is over.

use std::{fmt::Write as _, path::Path};

use serde_json::{Value, json};

use crate::{
    Failure,
    chart::{self, Bar, Line, escape},
    cli::{Mode, Options},
    journal::Written,
    measure::{Second, Summary, series},
    run::Run,
    terminal,
    unpinned::Unpinned,
};

/// The look, also of the live page.
pub(crate) const STYLE: &str = include_str!("../page/style.css");

/// The layout of `report.json`. It counts up when a name goes or changes its meaning.
const VERSION: u32 = 2;

/// What there is to tell about one run.
#[derive(Debug)]
pub(crate) struct Chapter {
    pub(crate) mode: Mode,
    pub(crate) written: Written,
    pub(crate) summary: Summary,
    pub(crate) seconds: Vec<Second>,
    pub(crate) unpinned: Unpinned,
    /// Clicks that are over, and those of the script.
    pub(crate) clicks: (usize, usize),
}

impl Chapter {
    pub(crate) fn of(run: &Run) -> Self {
        let written = run.journal.copy();
        Self {
            mode: run.mode,
            summary: Summary::of(&written),
            seconds: series(&written),
            written,
            unpinned: run.unpinned(),
            clicks: (run.journal.clicks(), run.clicks()),
        }
    }
}

/// For programs. `failure`: why the sale could not go on.
pub(crate) fn json(options: &Options, chapters: &[Chapter], failure: Option<&str>) -> Value {
    let run = |chapter: &Chapter| {
        let mark = |mark: &crate::journal::Mark| {
            json!({
                "kind": mark.what.name(), "text": mark.text(), "begun_s": mark.begun.as_secs_f64(), "done_s": mark.done.as_secs_f64(),
                "about": mark.about, "serving": mark.serving,
            })
        };
        json!({
            "mode": chapter.mode.name(),
            "title": chapter.mode.title(),
            "has_lost": chapter.summary.has_lost(),
            "summary": chapter.summary,
            "unpinned": chapter.unpinned,
            "events": chapter.written.marks.iter().map(mark).collect::<Vec<_>>(),
            "seconds": chapter.seconds,
        })
    };
    json!({
        "version": VERSION,
        "failure": failure,
        "options": {
            "nodes": options.nodes, "shoppers": options.shoppers, "seconds": options.seconds, "seed": options.seed,
            "processes": options.processes, "balancer": options.balancer.name(),
        },
        "runs": chapters.iter().map(run).collect::<Vec<_>>(),
    })
}

/// A page that needs nothing else.
pub(crate) fn html(options: &Options, chapters: &[Chapter], failure: Option<&str>) -> String {
    let failure = failure.map(|failure| format!("<p>The sale could not go on: {}</p>", escape(failure))).unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Flash sale</title><style>\n{STYLE}</style></head><body>\n<main>{failure}{}</main></body></html>\n",
        body(options, chapters)
    )
}

/// Writes both.
pub(crate) fn write(folder: &Path, options: &Options, chapters: &[Chapter], failure: Option<&str>) -> Result<(), Failure> {
    let told = |error: std::io::Error| format!("{} cannot be written to: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(told)?;
    let json = serde_json::to_string_pretty(&json(options, chapters, failure))?;
    std::fs::write(folder.join("report.json"), json).map_err(told)?;
    std::fs::write(folder.join("report.html"), html(options, chapters, failure)).map_err(told)?;
    Ok(())
}

/// How the share of requests with a pin went down, as the shoppers saw it, for people.
pub(crate) fn pinned_text(chapter: &Chapter) -> String {
    let shares = chapter.seconds.iter().filter_map(|second| second.pinned_percent);
    let shares: Vec<String> = shares.map(|percent| format!("{percent:.0} %")).collect();
    format!("requests with a pin, second by second: {}", shares.join(", "))
}

/// What stands on the page.
pub(crate) fn body(options: &Options, chapters: &[Chapter]) -> String {
    let [first, more, most] = options.nodes;
    let mut html = format!(
        "<header><h1>Flash sale</h1><p>{} shoppers, {first} → {more} → {most} nodes, balancer: {}, seed {}</p></header>",
        options.shoppers,
        options.balancer.name(),
        options.seed
    );
    html.push_str(&cards(chapters));
    let begun: Vec<&Chapter> = chapters.iter().filter(|chapter| !chapter.written.marks.is_empty()).collect();
    if begun.is_empty() {
        return html;
    }
    html.push_str(&totals(&begun));
    html.push_str("<section><h2>Requests by node</h2><p class=\"quiet\">One row is one node, one column is one second: the darker, the more requests. Numbers are events.</p><div class=\"maps\">");
    for chapter in &begun {
        let map = chart::heat(chapter.mode, &chapter.seconds, &chapter.written.marks);
        let _ = write!(
            html,
            "<figure data-testid=\"load-{0}\"><figcaption class=\"{0}\">{1}</figcaption>{map}{2}</figure>",
            chapter.mode.name(),
            chapter.mode.title(),
            load_table(chapter)
        );
    }
    html.push_str("</div></section><div class=\"charts\">");
    for figure in &FIGURES {
        html.push_str(&figure.html(&begun));
    }
    html.push_str(&recovery(&begun));
    html.push_str("</div>");
    for chapter in begun {
        html.push_str(&events(chapter));
    }
    html
}

fn cards(chapters: &[Chapter]) -> String {
    let mut html = "<section class=\"cards\">".to_owned();
    for chapter in chapters {
        let (name, summary) = (chapter.mode.name(), &chapter.summary);
        let (done, all) = chapter.clicks;
        let state = if chapter.written.marks.is_empty() {
            "waits"
        } else if done < all {
            "goes on"
        } else {
            "over"
        };
        let _ = write!(
            html,
            "<article class=\"card {name}\"><h2>{name}</h2><p class=\"quiet\">{}</p><p class=\"rate\" data-testid=\"continuity-{name}\">{} %</p>\
             <p class=\"quiet\">continuity</p><p><b data-testid=\"lost-{name}\">{}</b> of {} carts lost, <b data-testid=\"logouts-{name}\">{}</b> logouts, <b data-testid=\"failed-{name}\">{}</b> requests failed</p>\
             <progress max=\"{all}\" value=\"{done}\" aria-label=\"clicks of {name}\"></progress><p class=\"quiet\" data-testid=\"state-{name}\">{state}</p></article>",
            chapter.mode.title(),
            terminal::share(summary.continuity),
            summary.carts_lost,
            summary.carts,
            summary.logouts,
            summary.failed_otherwise,
        );
    }
    html.push_str("</section>");
    html
}

/// The table that is printed, too.
fn totals(chapters: &[&Chapter]) -> String {
    let all: Vec<(Mode, &Summary)> = chapters.iter().map(|chapter| (chapter.mode, &chapter.summary)).collect();
    let head: String = all.iter().map(|(mode, _)| format!("<th scope=\"col\" class=\"{0}\">{0}</th>", mode.name())).collect();
    let mut html =
        format!("<section><h2>What it comes to</h2><table data-testid=\"totals\"><thead><tr><td></td>{head}</tr></thead><tbody>");
    for (name, cells) in terminal::rows(&all) {
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        let _ = write!(html, "<tr><th scope=\"row\">{name}</th>{cells}</tr>");
    }
    html.push_str("</tbody></table></section>");
    html
}

/// A chart of all runs, with its table.
struct Figure {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    /// The smallest value that the top of the chart stands for.
    least: f64,
    value: fn(&Second) -> Option<f64>,
}

const FIGURES: [Figure; 6] = [
    Figure { id: "continuity", title: "Continuity", unit: "% of answers", least: 100.0, value: |second| second.continuity },
    Figure { id: "carts", title: "Carts lost", unit: "since the doors opened", least: 5.0, value: |second| Some(count(second.carts_lost)) },
    Figure { id: "logouts", title: "Logouts", unit: "since the doors opened", least: 5.0, value: |second| Some(count(second.logouts)) },
    Figure { id: "p50", title: "Half of the clicks are answered within", unit: "ms", least: 10.0, value: |second| second.p50_ms },
    Figure { id: "p99", title: "99 % of the clicks are answered within", unit: "ms", least: 10.0, value: |second| second.p99_ms },
    Figure { id: "pinned", title: "Requests with a pin", unit: "% of requests", least: 100.0, value: |second| second.pinned_percent },
];

impl Figure {
    fn html(&self, chapters: &[&Chapter]) -> String {
        let Self { id, title, unit, least, value } = *self;
        let values = |chapter: &&Chapter| chapter.seconds.iter().map(value).collect::<Vec<_>>();
        let all: Vec<Line> = chapters.iter().map(|chapter| Line { mode: chapter.mode, values: values(chapter) }).collect();
        // Events come at the same clicks in every run, so that the newest run stands for all.
        let marks = chapters.last().map(|chapter| chapter.written.marks.as_slice()).unwrap_or_default();
        let svg = chart::lines(title, unit, least, &all, marks);
        let legend: String = all.iter().map(|line| format!("<span class=\"key {0}\">{0}</span>", line.mode.name())).collect();
        let heads: String = all.iter().map(|line| format!("<th scope=\"col\">{}</th>", line.mode.name())).collect();
        let mut rows = String::new();
        for second in 0..all.iter().map(|line| line.values.len()).max().unwrap_or(0) {
            let cell =
                |line: &Line| line.values.get(second).copied().flatten().map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
            let cells: String = all.iter().map(|line| format!("<td>{}</td>", cell(line))).collect();
            let _ = write!(rows, "<tr><th scope=\"row\">{second}</th>{cells}</tr>");
        }
        format!(
            "<figure data-testid=\"chart-{id}\"><figcaption>{title} <small>{unit}</small></figcaption>{svg}<p class=\"legend\">{legend}</p>\
         <details id=\"table-{id}\"><summary>Table</summary><table><caption>{title}, {unit}</caption><thead><tr><th scope=\"col\">second</th>{heads}</tr></thead><tbody>{rows}</tbody></table></details></figure>"
        )
    }
}

/// How long it took until people were known again whose node was killed, with a table.
fn recovery(chapters: &[&Chapter]) -> String {
    let (title, unit) = ("Time to recover from a kill", "ms until all who were on the node are known again");
    let all: Vec<_> = chapters.iter().flat_map(|chapter| chapter.summary.recoveries.iter().map(|one| (chapter.mode, one))).collect();
    let bars: Vec<Bar> = all
        .iter()
        .map(|(mode, one)| Bar {
            mode: *mode,
            name: one.what.clone(),
            value: one.longest_ms,
            text: match (one.longest_ms, one.logged_out) {
                _ if one.people == 0 => "nobody was there".to_owned(),
                (None, out) => format!("never: {out} of {} logged out", one.people),
                (Some(longest), 0) => format!("{longest:.0} ms"),
                (Some(longest), out) => format!("{longest:.0} ms, but {out} of {} logged out", one.people),
            },
        })
        .collect();
    let rows: String = bars
        .iter()
        .zip(&all)
        .map(|(bar, (mode, one))| {
            format!(
                "<tr><th scope=\"row\">{}: {}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                mode.name(),
                escape(&one.what),
                one.people,
                one.recovered,
                one.logged_out,
                terminal::or_dash(bar.value, "ms")
            )
        })
        .collect();
    format!(
        "<figure data-testid=\"chart-recovery\"><figcaption>{title} <small>{unit}</small></figcaption>{}<details id=\"table-recovery\"><summary>Table</summary>\
         <table><caption>{title}</caption><thead><tr><th scope=\"col\">kill</th><th scope=\"col\">people on it</th><th scope=\"col\">known again</th>\
         <th scope=\"col\">logged out</th><th scope=\"col\">within</th></tr></thead><tbody>{rows}</tbody></table></details></figure>",
        chart::bars(title, unit, &bars)
    )
}

/// Requests of every node, over the whole run.
fn load_table(chapter: &Chapter) -> String {
    let mut by_node = std::collections::BTreeMap::<usize, usize>::new();
    for (node, count) in chapter.seconds.iter().flat_map(|second| &second.by_node) {
        *by_node.entry(*node).or_default() += count;
    }
    let rows: String =
        by_node.iter().map(|(node, count)| format!("<tr><th scope=\"row\">node-{node:02}</th><td>{count}</td></tr>")).collect();
    format!(
        "<details id=\"table-load-{}\"><summary>Table</summary><table><caption>Requests by node</caption><thead><tr><th scope=\"col\">node</th><th scope=\"col\">requests</th></tr></thead><tbody>{rows}</tbody></table></details>",
        chapter.mode.name()
    )
}

fn events(chapter: &Chapter) -> String {
    let name = chapter.mode.name();
    let mut html = format!("<section><h2 class=\"{name}\">Events: {name}</h2><ol start=\"0\" data-testid=\"events-{name}\">");
    for mark in &chapter.written.marks {
        let _ = write!(html, "<li>{:.1} s: {}</li>", mark.begun.as_secs_f64(), escape(&mark.text()));
    }
    html.push_str("</ol>");
    for one in &chapter.summary.recoveries {
        let within = one.longest_ms.map(|longest| format!(", within {longest:.0} ms")).unwrap_or_default();
        let _ = write!(
            html,
            "<p>After “{}”: of {} who had been served there, {} known again{within}, {} logged out.</p>",
            escape(&one.what),
            one.people,
            one.recovered,
            one.logged_out
        );
    }
    if chapter.unpinned.nodes > 0 {
        let _ = write!(html, "<p data-testid=\"unpinned\">{}</p>", escape(&chapter.unpinned.text()));
    }
    html.push_str("</section>");
    html
}

fn count(number: usize) -> f64 {
    number as f64
}
