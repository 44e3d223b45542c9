//! Charts as SVG: no scripts, no colours of their own (the style sheet has them, light and dark), and a text for those who cannot see them.

use std::fmt::Write as _;

use crate::{cli::Mode, journal::Mark, measure::Second};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 22.0;

/// One line of a chart: a value for each second, with gaps.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) mode: Mode,
    pub(crate) values: Vec<Option<f64>>,
}

/// Lines over seconds. `least` is the smallest value that the top of the chart stands for.
pub(crate) fn lines(title: &str, unit: &str, least: f64, all: &[Line], marks: &[Mark]) -> String {
    let seconds = all.iter().map(|line| line.values.len()).max().unwrap_or(0).max(2);
    let highest = all.iter().flat_map(|line| line.values.iter().flatten()).copied().fold(least, f64::max);
    let top = nice(highest);
    let x = |second: f64| LEFT + second * (WIDTH - LEFT - RIGHT) / (seconds as f64 - 1.0);
    let scale = (HEIGHT - TOP - BOTTOM) / top;
    let y = |value: f64| value.mul_add(-scale, HEIGHT - BOTTOM);
    let mut svg = open(&format!("{title}, {unit}, by second. The figures are in the table."), HEIGHT);
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let at = y(value);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"axis\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            short(value),
        );
    }
    ticks(&mut svg, seconds, HEIGHT, x);
    draw_marks(&mut svg, marks, HEIGHT, x);
    for line in all {
        // A gap ends one path and begins another one.
        let mut path = String::new();
        let mut is_on = false;
        for (second, value) in (0_u32..).zip(&line.values) {
            match value {
                Some(value) => {
                    let _ = write!(path, "{}{:.1} {:.1}", if is_on { "L" } else { "M" }, x(f64::from(second)), y(*value));
                    is_on = true;
                }
                None => is_on = false,
            }
        }
        let _ = write!(svg, "<path class=\"line {}\" d=\"{path}\"/>", line.mode.name());
    }
    svg.push_str("</svg>");
    svg
}

/// One bar, which lies.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) mode: Mode,
    pub(crate) name: String,
    /// `None`: there is nothing to draw.
    pub(crate) value: Option<f64>,
    /// What stands behind it.
    pub(crate) text: String,
}

/// Bars, one below the other, all from the same zero.
pub(crate) fn bars(title: &str, unit: &str, all: &[Bar]) -> String {
    const ROW: f64 = 40.0;
    let top = nice(all.iter().filter_map(|bar| bar.value).fold(1.0, f64::max));
    let height = ROW.mul_add(all.len() as f64, TOP);
    let mut svg = open(&format!("{title}, {unit}. The figures are in the table."), height);
    for (bar, row) in all.iter().zip(0_u32..) {
        let y = f64::from(row).mul_add(ROW, 12.0);
        let name = format!("{}: {}", bar.mode.name(), bar.name);
        // Half of the width, as text stands beside it.
        let width = bar.value.unwrap_or(0.0) / top * WIDTH / 2.0;
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"0\" y=\"{y:.1}\">{}</text><rect class=\"bar {}\" x=\"0\" y=\"{:.1}\" width=\"{width:.1}\" height=\"14\"/>\
             <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            escape(&name),
            bar.mode.name(),
            y + 4.0,
            width + 6.0,
            y + 15.0,
            escape(&bar.text),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Requests of each node in each second: the darker, the more.
pub(crate) fn heat(mode: Mode, seconds: &[Second], marks: &[Mark]) -> String {
    let nodes = seconds.iter().filter_map(|second| second.by_node.keys().next_back()).max().copied().unwrap_or(1);
    let most = seconds.iter().flat_map(|second| second.by_node.values()).max().copied().unwrap_or(1).max(1);
    let row = (320.0 / nodes as f64).clamp(5.0, 16.0);
    let height = TOP + BOTTOM + row * nodes as f64;
    let columns = seconds.len().max(1);
    let column = (WIDTH - LEFT - RIGHT) / columns as f64;
    let x = |second: f64| second.mul_add(column, LEFT);
    let text = format!("Requests by node and second, {}: {nodes} nodes, at most {most} requests.", mode.title());
    let mut svg = open(&text, height);
    for (second, at) in seconds.iter().zip(0_u32..) {
        for (node, count) in &second.by_node {
            let _ = write!(
                svg,
                "<rect class=\"cell {}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill-opacity=\"{:.2}\"/>",
                mode.name(),
                x(f64::from(at)),
                TOP + row * (*node as f64 - 1.0),
                (column - 0.5).max(0.5),
                row - 0.5,
                (*count as f64 / most as f64).sqrt().mul_add(0.88, 0.12),
            );
        }
    }
    for node in [1, nodes.div_ceil(2), nodes] {
        let at = TOP + row * (node as f64 - 0.5) + 4.0;
        let _ = write!(svg, "<text class=\"axis\" text-anchor=\"end\" x=\"{:.1}\" y=\"{at:.1}\">{node}</text>", LEFT - 6.0);
    }
    ticks(&mut svg, columns, height, x);
    draw_marks(&mut svg, marks, height, x);
    svg.push_str("</svg>");
    svg
}

fn open(text: &str, height: f64) -> String {
    format!("<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {WIDTH} {height:.0}\">", escape(text))
}

fn ticks(svg: &mut String, seconds: usize, height: f64, x: impl Fn(f64) -> f64) {
    let step = if seconds > 40 {
        10
    } else if seconds > 12 {
        5
    } else {
        1
    };
    for second in (0..seconds).step_by(step) {
        let at = x(second as f64);
        let _ = write!(svg, "<text class=\"axis\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{second}</text>", height - 6.0);
    }
}

/// A dashed line for each mark, with the number that it has in the list of events.
fn draw_marks(svg: &mut String, marks: &[Mark], height: f64, x: impl Fn(f64) -> f64) {
    for (number, mark) in marks.iter().enumerate().skip(1) {
        let at = x(mark.begun.as_secs_f64());
        let _ = write!(
            svg,
            "<g class=\"mark {}\"><line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/><text text-anchor=\"middle\" x=\"{at:.1}\" y=\"12\">{number}</text><title>{}</title></g>",
            mark.what.name(),
            height - BOTTOM,
            escape(&mark.text()),
        );
    }
}

/// The next of 1, 2, 5, 10, 20 …
fn nice(value: f64) -> f64 {
    let mut top = 1.0_f64;
    while top < value && top.is_finite() {
        top *= if (top.log10().fract() * 10.0).round() == 3.0 { 2.5 } else { 2.0 };
    }
    top
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}").trim_end_matches('0').to_owned() }
}

/// For text in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::journal::What;

    #[test]
    fn axes_end_in_round_numbers() {
        for (value, top) in [(0.0, 1.0), (1.0, 1.0), (1.5, 2.0), (3.0, 5.0), (7.0, 10.0), (11.0, 20.0), (100.0, 100.0), (420.0, 500.0)] {
            assert_eq!(nice(value), top, "{value}");
        }
        assert_eq!((short(2.5).as_str(), short(100.0).as_str(), short(0.25).as_str()), ("2.5", "100", "0.25"));
    }

    #[test]
    fn a_gap_is_no_line() {
        let line = Line { mode: Mode::Unstick, values: vec![Some(1.0), Some(2.0), None, Some(1.0)] };
        let mark =
            Mark { what: What::Killed, begun: Duration::from_secs(1), done: Duration::ZERO, about: vec![1], serving: vec![], epoch: None };
        let svg = lines("Load <1>", "%", 1.0, &[line], &[mark.clone(), mark]);
        assert_eq!(svg.matches('M').count(), 2);
        assert_eq!(svg.matches("class=\"mark kill\"").count(), 1, "the first mark is the opening");
        assert!(svg.contains("Load &lt;1&gt;"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn bars_are_as_long_as_they_say() {
        let bar = |value, text: &str| Bar { mode: Mode::Sticky, name: "<kill>".to_owned(), value, text: text.to_owned() };
        let svg = bars("a", "ms", &[bar(Some(50.0), "50 ms"), bar(None, "never"), bar(Some(25.0), "25 ms")]);
        let widths: Vec<&str> = svg.split("width=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(widths, ["280.0", "0.0", "140.0"]);
        assert!(svg.contains(">never<") && svg.contains("&lt;kill&gt;"));
    }

    #[test]
    fn nothing_can_be_drawn() {
        for svg in [lines("a", "b", 1.0, &[], &[]), heat(Mode::Sticky, &[], &[]), bars("a", "b", &[])] {
            assert!(svg.starts_with("<svg") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
