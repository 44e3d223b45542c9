//! Tables as text.

use std::fmt::Write as _;

use crate::report::Row;

pub(crate) fn times(title: &str, rows: &[Row], rounds: usize) -> String {
    let mut text = format!(
        "{title}: times bare moka beside it, median (quartiles) of {rounds} rounds; the nanoseconds are this machine's\n\n\
         | subject | times bare moka | bar | ns |\n|---|---:|---:|---:|\n"
    );
    for row in rows {
        let bar = row.bar.zip(row.is_met()).map(|(bar, is_met)| format!("{bar:.2} {}", if is_met { "met" } else { "MISSED" }));
        let _ = writeln!(text, "| {} | {} | {} | {:.0} |", row.name, row.ratio, bar.unwrap_or_default(), row.nanoseconds);
    }
    text
}

/// The first of the rows is the reference.
pub(crate) fn counts(strings: &[(&str, i64)], numbers: &[(&str, i64)]) -> String {
    let mut text = String::from(
        "Instructions per hit\n\n| subject | `String` keys | times bare moka | `u64` keys | times bare moka |\n|---|---:|---:|---:|---:|\n",
    );
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let times = |rows: &[(&str, i64)], at: usize| rows[at].1 as f64 / rows[0].1 as f64;
    for (at, ((name, of_strings), (_, of_numbers))) in strings.iter().zip(numbers).enumerate() {
        let (strings, numbers) = (times(strings, at), times(numbers, at));
        let _ = writeln!(text, "| {name} | {of_strings} | {strings:.2} | {of_numbers} | {numbers:.2} |");
    }
    text
}
