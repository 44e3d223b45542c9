use shared::{Bar, Chart, Group, missed};

use crate::{AT_A_TIME, ENDED, Seen};

/// Titles of the columns that tell whether a subject is right, for Markdown tables.
pub fn columns() -> String {
    format!(
        "survivors of {AT_A_TIME}, own keys | survivors of {AT_A_TIME}, one counter | revived of {ENDED} ended | bytes of Set-Cookie | bytes of Cookie"
    )
}

impl Seen {
    /// What stands in those columns.
    pub fn cells(&self) -> String {
        let Self { own_keys, counter, revived, set_cookie_bytes, cookie_bytes, .. } = self;
        format!("{own_keys} | {counter} | {revived} | {set_cookie_bytes} | {cookie_bytes}")
    }

    /// What is wrong with ours.
    pub fn missed(&self) -> Option<String> {
        let Self { own_keys, counter, revived, cookies_of_a_read, .. } = self;
        (!self.is_right()).then(|| {
            missed(
                "survivors, revived sessions and cookies of a read",
                format_args!("{own_keys}, {counter}, {revived}, {cookies_of_a_read}"),
                format_args!("{AT_A_TIME}, {AT_A_TIME}, 0, 0"),
            )
        })
    }
}

/// What survives, as bars.
pub fn survivors(subjects: &[(&str, Seen)]) -> Chart {
    #[allow(clippy::cast_precision_loss, reason = "counts are small")]
    let group = |name: String, count: fn(&Seen) -> u64| {
        let bar = |(subject, seen): &(&str, Seen)| Bar::new(*subject, count(seen) as f64, count(seen).to_string());
        Group::new(name, subjects.iter().map(bar).collect())
    };
    Chart {
        title: "What becomes of a session that several requests use at a time".to_owned(),
        unit: "every request was answered with success, except late ones in an ended session, which may be refused".to_owned(),
        groups: vec![
            group(format!("survivors of {AT_A_TIME} changes, own keys: all is right"), |seen| seen.own_keys),
            group(format!("survivors of {AT_A_TIME} increments of one counter: all is right"), |seen| seen.counter),
            group(format!("sessions revived, of {ENDED} ended: none is right"), |seen| seen.revived),
        ],
    }
}
