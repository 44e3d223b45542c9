//! What Prometheus would read from the shop, and what dashboard, rules and guides ask of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Shop, send};

pub(crate) const ALERTS: &str = include_str!("../../alerts.yml");
pub(crate) const DASHBOARD: &str = include_str!("../../grafana.json");
pub(crate) const DISAPPEARING: &str = include_str!("../../../../crates/unstick/docs/disappearing.md");
pub(crate) const OPERATIONS: &str = include_str!("../../../../crates/unstick/docs/operations.md");

/// Words of the language that expressions here use.
const WORDS: [&str; 10] = ["sum", "by", "rate", "increase", "absent", "and", "or", "offset", "label_values", "vector"];

/// One exported series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) metric: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Series {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// As it is written.
    pub(crate) fn shown(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{}{{{}}}", self.metric, labels.join(","))
    }
}

/// What a shop of two nodes exports that balances by pins, with the values.
pub(crate) fn exported(shop: &Shop) -> Vec<(Series, f64)> {
    let text = send(shop.nodes[0].addr, "GET", "/internal/metrics", &[], None).unwrap().text;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (metric, matchers) = series.split_once('{').map_or((series, Vec::new()), |(metric, rest)| (metric, matchers(rest).0));
            let labels = matchers.into_iter().map(|matcher| (matcher.label, matcher.value)).collect();
            (Series { metric: metric.to_owned(), labels }, value.parse().expect("a number"))
        })
        .collect()
}

/// `label op "value"`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    pub(crate) op: String,
    pub(crate) value: String,
}

impl Matcher {
    /// The values that it names, apart from variables of the dashboard.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.value.split('|').filter(|value| !value.starts_with('$'))
    }

    fn takes(&self, value: &str) -> bool {
        let is_named = self.value.starts_with('$') || self.values().any(|named| named == value);
        is_named != self.op.starts_with('!')
    }
}

/// Those after an opening brace, and what follows the closing one.
fn matchers(mut rest: &str) -> (Vec<Matcher>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return (found, after);
        }
        let (name, after) = rest.split_once('"').expect("a quoted value");
        let (value, after) = after.split_once('"').expect("the end of the value");
        let label = name.trim_end_matches(['=', '!', '~', ' ']);
        found.push(Matcher { label: label.to_owned(), op: name[label.len()..].trim().to_owned(), value: value.to_owned() });
        rest = after;
    }
}

/// One selector of an expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) matchers: Vec<Matcher>,
}

impl Selector {
    pub(crate) fn takes(&self, series: &Series) -> bool {
        series.metric == self.metric && self.matchers.iter().all(|matcher| matcher.takes(series.label(&matcher.label)))
    }
}

/// The selectors of an expression, and the labels that it groups by: every word of it that is none of the language.
pub(crate) fn read(expression: &str) -> (Vec<Selector>, Vec<String>) {
    let (mut selectors, mut labels, mut rest) = (Vec::<Selector>::new(), Vec::new(), expression);
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if first == '{' {
            let (found, after) = matchers(&rest[1..]);
            selectors.last_mut().expect("a metric before the brace").matchers = found;
            rest = after;
        } else if first == '[' {
            rest = rest.split_once(']').expect("the end of a range").1;
        } else if is_word(first) {
            let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
            if word.starts_with("unstick") {
                selectors.push(Selector { metric: word.to_owned(), matchers: Vec::new() });
            } else if !first.is_ascii_digit() && !WORDS.contains(&word) {
                labels.push(word.to_owned());
            }
            rest = after;
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    (selectors, labels)
}

/// The dashboard's expressions by their titles.
pub(crate) fn dashboard() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let mut found = Vec::new();
    for panel in list(&dashboard["panels"]) {
        found.extend(list(&panel["targets"]).iter().map(|target| (text(&panel["title"]), text(&target["expr"]))));
    }
    found.extend(list(&dashboard["annotations"]["list"]).iter().map(|one| (text(&one["name"]), text(&one["expr"]))));
    found
}

/// The expression of the dashboard's panel.
pub(crate) fn panel(title: &str) -> String {
    let (_, expression) = dashboard().into_iter().find(|(found, _)| found == title).expect("the panel");
    expression
}

/// The rules' expressions by their names.
pub(crate) fn rules() -> Vec<(String, String)> {
    let names = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let expressions = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let found: Vec<_> = names.zip(expressions).map(|(name, expression)| (name.to_owned(), expression.to_owned())).collect();
    assert_eq!(found.len(), ALERTS.matches("alert:").count());
    found
}

/// The queries of a guide by the comment before each.
pub(crate) fn queries(guide: &str) -> Vec<(String, String)> {
    let block =
        guide.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).find(|block| block.contains("unstick_"));
    let lines: Vec<&str> = block.expect("a block of queries").lines().collect();
    let pairs = lines.chunks(2).map(|pair| (pair[0].strip_prefix("# ").expect("a comment").to_owned(), pair[1].to_owned()));
    pairs.collect()
}

/// All of them.
pub(crate) fn all() -> Vec<(String, String)> {
    let variables: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let variables = variables["templating"]["list"].as_array().expect("a list").iter().filter(|one| one["type"] == "query");
    let variables = variables.map(|one| ("a variable".to_owned(), one["query"].as_str().expect("a query").to_owned()));
    [dashboard(), rules(), queries(DISAPPEARING), queries(OPERATIONS)].concat().into_iter().chain(variables).collect()
}
