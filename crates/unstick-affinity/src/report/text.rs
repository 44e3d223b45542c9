//! A report for people.

use std::fmt;

use super::{FindingReport, Report};
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
        for setting in &self.route_settings {
            writeln!(f, "  * {setting}")?;
        }
        if !self.findings.is_empty() {
            writeln!(f, "\nSession cookie")?;
        }
        for finding in &self.findings {
            let FindingReport { kind, count, detail, sentence } = finding;
            writeln!(f, "  {kind}, {count} times; the first: {detail}\n    {sentence}")?;
        }
        if let Some(drain) = &self.drain {
            writeln!(f, "\nDrain: {}\n  {}", drain.phase, drain.sentence)?;
        }
        Ok(())
    }
}

/// What a client that stays means.
pub(super) fn route_sentence(runs: u64) -> String {
    format!(
        "Clients stayed on this node {runs} times with no pin cookie in sight. Unless it is the only node, or a product above is hidden from the application, the balancer \
         pins by something else, such as the client's address, a hash or a table of its own, and only its configuration ends that:"
    )
}

/// Products whose pin an application cannot see, with the setting that ends it.
pub(super) fn route_settings() -> Vec<String> {
    let is_unseen = |product: &&catalogue::Product| {
        product.cookies.is_empty() && product.idioms.is_empty() && product.lever == Lever::ConfigurationOnly
    };
    catalogue::products().iter().filter(is_unseen).map(|product| format!("{}: {}", product.title, product.setting)).collect()
}
