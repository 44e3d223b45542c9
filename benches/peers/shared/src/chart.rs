//! Bar charts as SVG that stand alone: no script, no font and no picture from elsewhere, colours for light and for dark.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const EDGE: f64 = 16.0;
/// Where bars begin.
const LEFT: f64 = 284.0;
const ROW: f64 = 22.0;
const BAR: f64 = 14.0;
/// Width of a character, on the safe side: nothing may overlap, whatever the font.
const CHARACTER: f64 = 7.2;

const STYLE: &str = "\
.chart{font:12px system-ui,'Segoe UI','Liberation Sans',Arial,sans-serif;font-variant-numeric:tabular-nums}\
.chart .back{fill:#fff}.chart text{fill:#24292f}.chart .title{font-size:15px;font-weight:600}.chart .dim{fill:#656d76}.chart .group{font-weight:600}\
.chart .peer{fill:#a8b1bb}.chart .ours{fill:#1f7a8c}.chart .axis{stroke:#8c959f}.chart .range{stroke:#24292f;stroke-opacity:.55;fill:none}\
.chart .goal{stroke:#bc4c00;stroke-dasharray:4 3;stroke-width:1.5}.chart .aim{fill:#bc4c00}\
.chart .figure{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}\
@media (prefers-color-scheme:dark){.chart .back{fill:#161b22}.chart text{fill:#e6edf3}.chart .dim{fill:#9198a1}\
.chart .peer{fill:#6e7681}.chart .ours{fill:#39a9bd}.chart .axis{stroke:#6e7681}.chart .range{stroke:#e6edf3}\
.chart .goal{stroke:#f0883e}.chart .aim{fill:#f0883e}.chart .figure{stroke:#161b22}}";

/// Groups of horizontal bars on one scale.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// The unit, and which way is better.
    pub unit: String,
    /// One below the other.
    pub groups: Vec<Group>,
}

/// Bars that are compared with each other.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// A line across them: its value, and how it is called.
    pub goal: Option<(f64, String)>,
    /// One below the other.
    pub bars: Vec<Bar>,
}

/// One figure.
#[derive(Debug, Clone, Default)]
pub struct Bar {
    /// Whose it is.
    pub label: String,
    /// How long the bar is. What is no number, or below zero, has none.
    pub value: f64,
    /// How it is written.
    pub text: String,
    /// Its quartiles.
    pub range: Option<(f64, f64)>,
    /// Whether it is our own.
    pub is_ours: bool,
}

impl Group {
    /// Without a goal.
    pub fn new(name: impl Into<String>, bars: Vec<Bar>) -> Self {
        Self { name: name.into(), goal: None, bars }
    }
}

impl Bar {
    /// Ours when its label begins with our name.
    pub fn new(label: impl Into<String>, value: f64, text: impl Into<String>) -> Self {
        let label = label.into();
        Self { is_ours: label.starts_with("unstick"), label, value, text: text.into(), range: None }
    }

    /// With its quartiles, and two digits.
    pub fn spread(label: impl Into<String>, spread: crate::Spread) -> Self {
        Self { range: Some((spread.low, spread.high)), ..Self::new(label, spread.median, format!("{:.2}", spread.median)) }
    }

    /// How far it reaches, its quartiles included.
    fn end(&self) -> f64 {
        length(self.value).max(self.range.map_or(0.0, |(_, high)| length(high)))
    }
}

/// The picture; `foot` is written below it.
pub fn svg(chart: &Chart, foot: &str) -> String {
    let bars = || chart.groups.iter().flat_map(|group| &group.bars);
    let goals = chart.groups.iter().filter_map(|group| group.goal.as_ref()).map(|(goal, _)| length(*goal));
    let most = bars().map(Bar::end).chain(goals).fold(0.0, f64::max);
    let room = bars().map(|bar| width(&bar.text)).fold(0.0, f64::max) + 10.0;
    let scale = if most > 0.0 { (WIDTH - EDGE - LEFT - room) / most } else { 0.0 };
    let (mut body, mut y) = (String::new(), 74.0);
    for group in &chart.groups {
        y = draw(&mut body, group, y, scale);
    }
    let foot = wrapped(foot);
    for line in &foot {
        let _ = write!(body, "<text class=\"dim\" x=\"{EDGE}\" y=\"{:.1}\">{}</text>", y + 8.0, escaped(line));
        y += 16.0;
    }
    let height = y + 8.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         width=\"{WIDTH}\" height=\"{height:.0}\"><style>{STYLE}</style><rect class=\"back\" width=\"{WIDTH}\" height=\"{height:.0}\" rx=\"6\"/>\
         <text class=\"title\" x=\"{EDGE}\" y=\"28\">{title}</text><text class=\"dim\" x=\"{EDGE}\" y=\"46\">{}</text>{body}</svg>\n",
        escaped(&chart.unit),
        title = escaped(&chart.title),
    )
}

/// Where the next group begins.
fn draw(svg: &mut String, group: &Group, top: f64, scale: f64) -> f64 {
    let Group { name, goal, bars } = group;
    let top = if name.is_empty() && goal.is_none() { top - 14.0 } else { top };
    let _ = write!(svg, "<text class=\"group\" x=\"{EDGE}\" y=\"{top:.1}\">{}</text>", escaped(name));
    let first = top + 8.0;
    let end = first + ROW * rows(bars.len());
    for (bar, row) in bars.iter().zip(0_u32..) {
        let (class, middle) = (if bar.is_ours { "ours" } else { "peer" }, first + ROW * (f64::from(row) + 0.5));
        let _ = write!(
            svg,
            "<text text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>",
            LEFT - 8.0,
            middle + 4.0,
            escaped(&fitted(&bar.label)),
            middle - BAR / 2.0,
            length(bar.value) * scale,
        );
        if let Some((low, high)) = bar.range {
            let [low, high] = [low, high].map(|at| length(at).mul_add(scale, LEFT));
            let _ = write!(
                svg,
                "<path class=\"range\" d=\"M{low:.1} {a:.1}V{b:.1}M{low:.1} {middle:.1}H{high:.1}M{high:.1} {a:.1}V{b:.1}\"/>",
                a = middle - 4.0,
                b = middle + 4.0,
            );
        }
    }
    let _ = write!(svg, "<path class=\"axis\" d=\"M{LEFT} {first:.1}V{end:.1}\"/>");
    if let Some((goal, called)) = goal.as_ref().filter(|(goal, _)| goal.is_finite()) {
        let (at, half) = (length(*goal).mul_add(scale, LEFT), width(called) / 2.0);
        // neither over the group's name nor over the edge
        let least = (EDGE + width(name) + 12.0).max(LEFT) + half;
        let middle = at.min(WIDTH - EDGE - half).max(least);
        let _ = write!(
            svg,
            "<path class=\"goal\" d=\"M{at:.1} {:.1}V{end:.1}\"/><text class=\"aim\" text-anchor=\"middle\" x=\"{middle:.1}\" y=\"{top:.1}\">{}</text>",
            top + 4.0,
            escaped(called),
        );
    }
    // after the line of the goal, which they cover
    for (bar, row) in bars.iter().zip(0_u32..) {
        let _ = write!(
            svg,
            "<text class=\"figure\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            bar.end().mul_add(scale, LEFT + 6.0),
            first + ROW * (f64::from(row) + 0.5) + 4.0,
            escaped(&bar.text),
        );
    }
    end + 28.0
}

fn rows(count: usize) -> f64 {
    u32::try_from(count).map_or(0.0, f64::from)
}

fn length(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

fn width(text: &str) -> f64 {
    rows(text.chars().count()) * CHARACTER
}

/// A label that does not reach into the edge.
fn fitted(label: &str) -> String {
    const MOST: usize = 38;
    if label.chars().count() <= MOST {
        return label.to_owned();
    }
    label.chars().take(MOST - 1).chain(['…']).collect()
}

/// In lines that fit.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| width(line) + width(word) + CHARACTER < WIDTH - 2.0 * EDGE) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Text in XML. Characters that XML does not know are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if character.is_control() => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::{Bar, Chart, Group, LEFT, WIDTH, svg};
    use crate::Spread;

    fn chart(bars: Vec<Bar>, goal: Option<f64>) -> Chart {
        let goal = goal.map(|goal| (goal, format!("goal {goal}")));
        Chart {
            title: "A title".to_owned(),
            unit: "units, less is better".to_owned(),
            groups: vec![Group { name: "read".to_owned(), goal, bars }],
        }
    }

    fn number(node: roxmltree::Node<'_, '_>, name: &str) -> f64 {
        node.attribute(name).unwrap().parse().unwrap()
    }

    fn widths(text: &str) -> Vec<f64> {
        let xml = Document::parse(text).unwrap();
        let bars = xml.descendants().filter(|node| matches!(node.attribute("class"), Some("ours" | "peer")));
        bars.map(|bar| number(bar, "width")).collect()
    }

    #[test]
    fn bars_are_as_long_as_their_values_and_stay_inside() {
        let figures = [3.0, 12.0, 6.0];
        let bars = figures.map(|value| Bar::new("peer", value, format!("{value}"))).to_vec();
        let widths = widths(&svg(&chart(bars, None), ""));
        assert_eq!(widths.len(), 3);
        for (width, value) in widths.iter().zip(figures) {
            assert!((width / widths[1] - value / 12.0).abs() < 0.001, "{widths:?}");
        }
        assert!(widths[1] > 300.0 && LEFT + widths[1] < WIDTH, "{widths:?}");
    }

    #[test]
    fn a_goal_beyond_all_bars_shortens_them() {
        let bars = || vec![Bar::new("unstick", 10.0, "10")];
        let (without, with) = (widths(&svg(&chart(bars(), None), "")), widths(&svg(&chart(bars(), Some(40.0)), "")));
        assert!((without[0] / 4.0 - with[0]).abs() < 0.2, "{without:?} {with:?}");
    }

    #[test]
    fn whatever_the_texts_it_is_xml_and_says_them() {
        for nasty in ["a < b & c > \"d\" 'e'", "]]><!-- -->", "<script>alert(1)</script>", "&amp;", "\u{0}\u{b}\u{ffff}x", "日本 é 🛒", ""]
        {
            let mut chart = chart(vec![Bar::new(nasty, 1.0, nasty)], Some(1.0));
            (chart.title, chart.unit, chart.groups[0].name) = (nasty.to_owned(), nasty.to_owned(), nasty.to_owned());
            chart.groups[0].goal = Some((1.0, nasty.to_owned()));
            let text = svg(&chart, nasty);
            let xml = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let shown: String = nasty.chars().filter(|char| !char.is_control() && *char != '\u{ffff}').collect();
            let title = xml.descendants().find(|node| node.attribute("class") == Some("title")).unwrap();
            assert_eq!(title.text().unwrap_or_default(), shown);
            assert!(!xml.descendants().any(|node| node.has_tag_name("script")));
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        let text = svg(&chart(vec![Bar::new("unstick", 1.0, "1")], Some(2.0)), "A foot.");
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!["http", "url(", "@import", "href", "<script"].iter().any(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn what_is_no_number_has_no_bar() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -3.0, 0.0];
        let spread = Spread { low: f64::NAN, median: 1.0, high: f64::INFINITY };
        let bars = odd.map(|value| Bar::new("odd", value, "?")).into_iter().chain([Bar::spread("spread", spread)]).collect();
        for chart in [chart(bars, Some(f64::NAN)), chart(vec![], None), Chart::default(), chart(vec![Bar::new("zero", 0.0, "0")], None)] {
            let text = svg(&chart, "");
            assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains("class=\"goal\""), "{text}");
            assert!(widths(&text).iter().all(|width| *width >= 0.0));
        }
    }

    #[test]
    fn figures_and_goals_are_within_the_picture_and_apart() {
        let wide = "a figure that is rather long (0.00 to 9.99)";
        for goal in [0.0, 1.0, 500.0, 999.0] {
            let text = svg(&chart(vec![Bar::new("peer", 999.0, wide), Bar::new("unstick", 1.0, "1")], Some(goal)), "");
            let xml = Document::parse(&text).unwrap();
            for node in xml.descendants().filter(|node| node.has_tag_name("text")) {
                let (at, chars) = (number(node, "x"), node.text().unwrap_or_default().chars().count() as f64);
                let width = chars * super::CHARACTER;
                let (from, to) = match node.attribute("text-anchor") {
                    Some("middle") => (at - width / 2.0, at + width / 2.0),
                    Some("end") => (at - width, at),
                    _ => (at, at + width),
                };
                assert!(from >= -0.1 && to <= WIDTH, "{from} to {to}: {:?}", node.text());
                let is_aim = node.attribute("class") == Some("aim");
                assert!(!is_aim || from >= LEFT, "over the name: {from}");
            }
        }
    }
}
