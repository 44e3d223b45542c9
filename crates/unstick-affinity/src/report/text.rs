//! A report for people.

use std::fmt;

use super::Report;
use crate::{Lever, catalogue};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = if self.instance.is_empty() { "this node" } else { &self.instance };
        writeln!(f, "Stickiness as seen by {node}")?;
        writeln!(f, "{} requests with un-pinning on, {} of them pinned ({:.1} %)", self.requests, self.pinned, self.pinned_ratio * 100.0)?;
        if self.pins.is_empty() {
            writeln!(f, "\nNo pin was configured or seen.")?;
        }
        for pin in &self.pins {
            write!(f, "\n{pin}")?;
        }
        if let Some(sentence) = &self.route_sentence {
            writeln!(f, "\nRoute watch\n  {sentence}")?;
        }
        if !self.findings.is_empty() {
            writeln!(f, "\nSession cookie")?;
        }
        for finding in &self.findings {
            writeln!(f, "  {} ({} times): {}", finding.kind, finding.count, finding.sentence)?;
        }
        if let Some(drain) = &self.drain {
            writeln!(f, "\nDrain: {}\n  {}", drain.phase, drain.sentence)?;
        }
        Ok(())
    }
}

/// What pins without a cookie that the application could see, and how to end it.
pub(super) fn route_sentence(runs: u64) -> String {
    let is_unseen = |product: &&catalogue::Product| {
        product.cookies.is_empty() && product.idioms.is_empty() && product.lever == Lever::ConfigurationOnly
    };
    let settings: Vec<String> =
        catalogue::products().iter().filter(is_unseen).map(|product| format!("{}: {}", product.title, product.setting)).collect();
    let known = if settings.is_empty() { String::new() } else { format!(" Known ones: {}.", settings.join("; ")) };
    format!(
        "Clients stayed on this node {runs} times with no pin cookie in sight. Unless a product above is hidden from the application, the balancer pins by something \
         else, such as the client's address, a hash or a table of its own, and only its configuration ends that.{known}"
    )
}
