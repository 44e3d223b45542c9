//! The table: every subject and case under callgrind, differenced, against the bars.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{
    apps::Subject,
    requests::{Case, MEASURED},
};

/// N of the N and 2N requests that are differenced.
pub(crate) const REQUESTS: u64 = 2000;

/// Most instructions over the bare router that our layer may cost.
fn bar(case: Case) -> Option<i64> {
    match case {
        Case::Anonymous => Some(2_600),
        Case::Read => Some(8_000),
        Case::Write => Some(14_000),
        Case::Untouched | Case::New => None,
    }
}

struct Row {
    subject: Subject,
    case: Case,
    /// Instructions per request.
    total: i64,
    /// The same over the bare router with the same request.
    over_bare: i64,
}

/// Measures everything, prints the table and keeps it in the target directory; whether ours are within their bars.
pub(crate) fn report(requests: u64) -> Result<bool, String> {
    let program = env::current_exe().map_err(|error| format!("this program's path is unknown: {error}"))?;
    let mut rows: Vec<Row> = Vec::new();
    for case in Case::ALL {
        let mut bare = 0;
        for subject in Subject::ALL {
            eprintln!("measuring {} {} ...", subject.name(), case.name());
            let once = collected(&program, subject, case, requests, 2 * requests)?;
            let twice = collected(&program, subject, case, 2 * requests, 2 * requests)?;
            let total = (twice - once) / i64::try_from(requests).map_err(|_| "too many requests")?;
            if subject == Subject::Bare {
                bare = total;
            }
            if bare < 1000 {
                return Err(format!("a bare router answers in {bare} instructions? callgrind did not see `{MEASURED}`"));
            }
            rows.push(Row { subject, case, total, over_bare: total - bare });
        }
    }
    let text = markdown(&rows);
    println!("{text}");
    save(&program, &rows, &text, requests)?;
    Ok(rows.iter().all(|row| row.is_within_bar() != Some(false)))
}

/// Instructions of one run, as callgrind counts them.
fn collected(program: &Path, subject: Subject, case: Case, requests: u64, sessions: u64) -> Result<i64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={MEASURED}"))
        .arg(program)
        .args(["run", subject.name(), case.name(), &requests.to_string(), &sessions.to_string()])
        .env_remove("RUST_LOG")
        .output()
        .map_err(|error| format!("valgrind did not start ({error}); on Debian: apt-get install valgrind"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} {} failed under valgrind:\n{said}", subject.name(), case.name()));
    }
    let count = said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim().parse());
    count.and_then(Result::ok).ok_or_else(|| format!("callgrind printed no count:\n{said}"))
}

impl Row {
    fn is_within_bar(&self) -> Option<bool> {
        let bar = bar(self.case).filter(|_| self.subject.is_ours())?;
        Some(self.over_bare <= bar)
    }
}

/// The table, with each subject's cost as a multiple of ours.
fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| case | subject | Ir per request | over bare | bar | x ours |\n|---|---|---:|---:|---:|---:|\n");
    for row in rows {
        let bar = match (row.is_within_bar(), bar(row.case)) {
            (Some(within), Some(bar)) => format!("{bar} {}", if within { "met" } else { "MISSED" }),
            _ => String::new(),
        };
        let ours = rows.iter().find(|other| other.case == row.case && other.subject.is_ours());
        let ratio = ours.filter(|ours| row.subject.has_sessions() && ours.over_bare > 0).map(|ours| {
            #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let ratio = row.over_bare as f64 / ours.over_bare as f64;
            format!("{ratio:.2}")
        });
        let (case, subject, ratio) = (row.case.name(), row.subject.name(), ratio.unwrap_or_default());
        let _ = writeln!(text, "| {case} | {subject} | {} | {:+} | {bar} | {ratio} |", row.total, row.over_bare);
    }
    text
}

fn save(program: &Path, rows: &[Row], text: &str, requests: u64) -> Result<(), String> {
    let folder = target_folder(program);
    let entries: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "case": row.case.name(), "subject": row.subject.name(), "instructions": row.total, "over_bare": row.over_bare,
                "bar": bar(row.case).filter(|_| row.subject.is_ours()), "within_bar": row.is_within_bar(),
            })
        })
        .collect();
    let json = json!({ "requests": requests, "rows": entries }).to_string();
    for (name, content) in [("instructions.md", text), ("instructions.json", &json)] {
        let path = folder.join(name);
        fs::write(&path, content).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        println!("saved in {}", path.display());
    }
    Ok(())
}

/// Cargo marks its target directory with a tag file.
fn target_folder(program: &Path) -> PathBuf {
    let tagged = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    tagged.map_or_else(env::temp_dir, Path::to_path_buf)
}
