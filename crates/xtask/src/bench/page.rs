//! One page with the tables and the charts that a run has kept, which needs no other file.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,'Segoe UI','Liberation Sans',Arial,sans-serif;max-width:1100px;margin:0 auto;padding:24px;color:#24292f;background:#fff}\
h1{border-top:1px solid #d0d7de;padding-top:24px;margin-top:40px}h1:first-child{border:0;margin-top:0;padding-top:0}.wide{overflow-x:auto;margin:12px 0}\
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}th,td{border:1px solid #d0d7de;padding:4px 10px;text-align:left}\
th{background:#f6f8fa;vertical-align:bottom}.right{text-align:right}svg{max-width:100%;height:auto;margin:12px 0;border:1px solid #d0d7de;border-radius:6px}\
code{background:#f6f8fa;padding:1px 4px;border-radius:4px}\
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td,h1,svg{border-color:#30363d}th,code{background:#161b22}}";

/// Writes `index.html` of the parts that have kept something since `start`; none when none has.
pub(super) fn write(folder: &Path, parts: &[&str], start: SystemTime) -> Result<Option<PathBuf>, String> {
    let mut body = String::new();
    for part in parts {
        let Some(markdown) = written(&folder.join(format!("{part}.md")), start) else { continue };
        let chart = |file: &str| fs::read_to_string(folder.join(file)).map_err(|error| format!("{file} cannot be read: {error}"));
        body.push_str(&html(&markdown, chart)?);
    }
    if body.is_empty() {
        return Ok(None);
    }
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Benchmarks of unstick</title><style>{STYLE}</style></head><body>\n{body}</body></html>\n"
    );
    let path = folder.join("index.html");
    fs::write(&path, page).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(Some(path))
}

/// What the part has written since then. One that has written nothing was left out, has failed, or only printed.
fn written(file: &Path, since: SystemTime) -> Option<String> {
    let is_new = fs::metadata(file).and_then(|metadata| metadata.modified()).is_ok_and(|modified| modified >= since);
    is_new.then(|| fs::read_to_string(file).ok())?
}

/// The Markdown that the parts write: headings, tables, charts by their files, and sentences with `code` and **bold**.
fn html(markdown: &str, chart: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let mut html = String::new();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            let _ = writeln!(html, "<h2>{}</h2>", inline(heading));
        } else if let Some(heading) = line.strip_prefix("# ") {
            let _ = writeln!(html, "<h1>{}</h1>", inline(heading));
        } else if let Some(file) =
            line.strip_prefix("![").and_then(|rest| rest.split_once("](")).and_then(|(_, file)| file.strip_suffix(')'))
        {
            html.push_str(&chart(file)?);
        } else if line.starts_with('|') {
            let mut rows = vec![line];
            while let Some(row) = lines.next_if(|next| next.starts_with('|')) {
                rows.push(row);
            }
            html.push_str(&table(&rows));
        } else if !line.is_empty() {
            let _ = writeln!(html, "<p>{}</p>", inline(line));
        }
    }
    Ok(html)
}

/// Titles, alignments and rows.
fn table(rows: &[&str]) -> String {
    let inner = |row: &str| row.strip_prefix('|').and_then(|row| row.strip_suffix('|')).unwrap_or(row).to_owned();
    let cells = |row: &str| inner(row).split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let aligned: Vec<bool> = rows.get(1).map(|row| cells(row).iter().map(|cell| cell.ends_with(':')).collect()).unwrap_or_default();
    let mut html = String::from("<div class=\"wide\"><table>\n");
    for (at, row) in rows.iter().enumerate().filter(|(at, _)| *at != 1) {
        let tag = if at == 0 { "th" } else { "td" };
        html.push_str("<tr>");
        for (column, cell) in cells(row).iter().enumerate() {
            let class = if aligned.get(column) == Some(&true) { " class=\"right\"" } else { "" };
            let _ = write!(html, "<{tag}{class}>{}</{tag}>", inline(cell));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}

fn inline(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    paired(&paired(&text, "`", "code"), "**", "strong")
}

/// What stands between two marks, in an element. A mark that is alone stays.
fn paired(text: &str, mark: &str, tag: &str) -> String {
    let pieces: Vec<&str> = text.split(mark).collect();
    let mut html = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        if at % 2 == 0 {
            html.push_str(piece);
        } else if at + 1 < pieces.len() {
            let _ = write!(html, "<{tag}>{piece}</{tag}>");
        } else {
            html.push_str(mark);
            html.push_str(piece);
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{html, written};

    #[test]
    fn tables_charts_and_words_become_html() {
        let markdown = "# A & b\n\nFrom `cargo x`.\n\n## C\n\n![d](e-f.svg)\n\n| g | h |\n|---|---:|\n| **i** | < 1 |\n\nj\n";
        let html = html(markdown, |file| Ok(format!("<svg>{file}</svg>\n"))).unwrap();
        let expected = "<h1>A &amp; b</h1>\n<p>From <code>cargo x</code>.</p>\n<h2>C</h2>\n<svg>e-f.svg</svg>\n<div class=\"wide\"><table>\n\
            <tr><th>g</th><th class=\"right\">h</th></tr>\n<tr><td><strong>i</strong></td><td class=\"right\">&lt; 1</td></tr>\n</table></div>\n<p>j</p>\n";
        assert_eq!(html, expected);
    }

    #[test]
    fn an_empty_cell_is_a_cell_and_a_lonely_mark_a_character() {
        let html = html("| a | b |\n|---|---|\n| c |  |\n| `d | e |\n", |_| Err(String::new())).unwrap();
        assert!(html.contains("<tr><td>c</td><td></td></tr>") && html.contains("<td>`d</td>"), "{html}");
        assert!(super::html("![a](b.svg)", |_| Err("b.svg is missing".to_owned())).is_err());
    }

    #[test]
    fn what_an_earlier_run_has_kept_is_not_shown() {
        let program = std::env::current_exe().unwrap();
        assert_eq!(written(&program, SystemTime::now() + Duration::from_secs(3600)), None);
        let manifest = crate::cargo::root().join("Cargo.toml");
        assert!(written(&manifest, SystemTime::UNIX_EPOCH).is_some_and(|text| text.contains("[workspace]")));
        assert_eq!(written(&manifest.join("none"), SystemTime::UNIX_EPOCH), None);
    }
}
