//! A report for people.

use std::fmt;

use super::{FindingReport, Report};
use crate::{Lever, Product, catalogue};

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
        "Clients stayed on this node {runs} times with no pin in sight. Unless it is the only node, or it was handed connections rather than requests (a client's requests stay on one \
         connection then), or a product above is hidden from the application, the balancer pins by something \
         else: a cookie whose name the layer was not told, the client's address, or a hash or table of its own. Products known to do so:"
    )
}

/// Products whose pin an application cannot see, with the setting that ends it.
pub(super) fn route_settings() -> Vec<String> {
    let has_no_name = |product: &Product| product.cookies.is_empty() && product.idioms.is_empty();
    let is_unseen = |product: &&Product| {
        let base = product.based_on.and_then(catalogue::product);
        matches!(product.lever, Lever::ConfigurationOnly | Lever::RenameSessionCookie)
            && has_no_name(product)
            && base.is_none_or(has_no_name)
    };
    catalogue::products().iter().filter(is_unseen).map(|product| format!("{}: {}", product.title, product.setting)).collect()
}
