//! Backends that break while requests keep coming, one each 10 ms, whatever became of those before.
//!
//! Each story prints its line of the table in the guide on outages: `cargo test -p unstick-stories --test outages -- --nocapture --test-threads 1`.

mod network;
mod redis;
mod replicas;
mod sql;

use std::time::Duration;

use unstick_stories::outage::{Losses, Outage, Row, Settings};
use unstick_testkit::load::Report;

/// How long most faults last.
const A_WHILE: Duration = Duration::from_secs(3);

/// What the promise table allows a fault to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Nothing,
    /// A failover to a replica that had not received the last changes.
    LastChanges,
}

/// What holds in every outage: each request is answered within its deadline, with success or with a 503, and with nobody else's session.
fn answered_in_time(report: &Report<String>) {
    assert_eq!((report.unanswered, report.left_out, report.past_deadline), (0, 0, 0), "{report}");
    let defined = |kind: &String| ["503", "empty session"].contains(&kind.as_str());
    assert!(report.errors.keys().all(defined), "{report}");
}

/// Waits for the recovery, prints the line, and holds it against what is promised.
async fn tell(fault: &str, outage: Outage, allowed: Allowed) -> (Report<String>, Losses) {
    let (report, losses) = outage.recover().await;
    println!("{}", Row { fault, report: &report, losses: Some(losses) });
    answered_in_time(&report);
    assert!(losses.acknowledged > 100 && losses.logged_out > 5, "too little was acknowledged to prove anything: {losses:?}");
    if allowed == Allowed::Nothing {
        assert_eq!((losses.lost, losses.revived), (0, 0), "{losses:?}");
        assert!(!report.errors.contains_key("empty session"), "{report}");
    }
    (report, losses)
}

/// Something breaks, stays broken for a while, and is mended; nothing may be lost by it.
async fn broken_for(
    a_while: Duration,
    fault: &str,
    url: &str,
    breaking: impl FnOnce() + Send,
    mending: impl FnOnce() + Send,
) -> Report<String> {
    let mut outage = Outage::prepare(url, Settings::default()).await;
    outage.broken(breaking);
    outage.lasts(a_while).await;
    outage.mended(mending);
    tell(fault, outage, Allowed::Nothing).await.0
}
