//! What a report says of one product.

use std::fmt;

use super::{
    Verdict,
    json::{ToJson, object},
    verdict::Case,
};
use crate::{Product, catalogue};

/// What this node counted for one product, in requests or responses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PinCounts {
    /// Requests that carried its pin.
    pub seen: u64,
    /// Responses that told the client to delete it.
    pub told: u64,
    /// Responses that had no room for all of its deletions.
    pub dropped: u64,
    /// Requests that came without the pin after the client was told.
    pub gone: u64,
    /// Requests that still had the pin after the client was told.
    pub kept: u64,
    /// Requests that had the pin again after it was gone.
    pub again: u64,
}

/// One product of a [`Report`](super::Report).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PinReport {
    /// The catalogue's name of the product, or the cookie's, where the operator named only that.
    pub product: String,
    /// Product and cookies for people: `AWS ALB target group (AWSALB, AWSALBCORS)`.
    pub subject: String,
    /// Whether the operator configured it. The cookies that were named with it are deleted unseen.
    pub is_configured: bool,
    /// Whether un-pinning works.
    pub verdict: Verdict,
    /// What an operator has to know and do.
    pub sentence: String,
    /// What the counts are.
    pub counts: PinCounts,
    /// How well the catalogue's row is known: `tested`, `documented` or `unverified`. `None` without a product.
    pub evidence: Option<String>,
}

/// A product before it is judged.
#[derive(Debug)]
pub(crate) struct Pinned<'a> {
    /// The product's name, or the cookie's.
    pub(crate) label: &'a str,
    pub(crate) product: Option<&'static Product>,
    pub(crate) is_configured: bool,
    /// The names that the operator gave.
    pub(crate) cookies: &'a [String],
    /// The application sets one of them itself.
    pub(crate) is_left: bool,
    pub(crate) counts: PinCounts,
}

impl Pinned<'_> {
    /// Judges it. `None`: there is nothing to say, as it is neither configured nor seen.
    pub(crate) fn report(&self, requests: u64, stayed: u64) -> Option<PinReport> {
        let is_configured = self.is_configured;
        let is_listed = is_configured || self.counts != PinCounts::default();
        is_listed.then(|| {
            let subject = self.subject();
            let (setting, advice) = self.advice();
            let lever = self.product.map_or(crate::Lever::ExpireAlways, |product| product.lever);
            let verdict = match Verdict::of(&self.counts, lever, is_configured, stayed) {
                Verdict::TooEarly if self.is_only_reported() => Verdict::NotFollowed,
                verdict => verdict,
            };
            let case = Case { subject: &subject, setting: &setting, advice: &advice, counts: &self.counts, requests, stayed };
            let mut sentence = case.sentence(verdict);
            if self.is_left {
                sentence.push_str(" A response of the application sets this cookie itself, so that it is left alone: do not name a cookie that is not the balancer's.");
            }
            PinReport {
                product: self.label.to_owned(),
                sentence,
                is_configured,
                verdict,
                counts: self.counts,
                evidence: self.product.map(|product| product.evidence.as_str().to_owned()),
                subject,
            }
        })
    }

    /// None of its cookies is ever deleted: they may belong to something that must live.
    fn is_only_reported(&self) -> bool {
        let is_deleted = |product: &Product| product.cookies.iter().any(|cookie| cookie.is_deleted_when_seen);
        self.cookies.is_empty() && self.product.is_some_and(|product| !product.cookies.is_empty() && !is_deleted(product))
    }

    fn subject(&self) -> String {
        let catalogued = || self.product.into_iter().flat_map(|product| product.cookies).map(|cookie| cookie.name.to_string());
        let names: Vec<String> = if self.cookies.is_empty() { catalogued().collect() } else { self.cookies.to_vec() };
        match (self.product.map(|product| product.title), names.as_slice()) {
            (Some(title), []) => title.to_owned(),
            (Some(title), names) => format!("{title} ({})", names.join(", ")),
            (None, []) => format!("Cookie {}", self.label),
            (None, names) => format!("Cookie {}", names.join(", ")),
        }
    }

    /// The setting that ends the pin, alone and with what the application can do.
    fn advice(&self) -> (String, String) {
        if let Some(product) = self.product {
            return (format!("{}: {}", product.title, product.setting), product.advice());
        }
        let settings: Vec<String> =
            catalogue::suspects(self.label).map(|product| format!(". If {} sets it: {}", product.title, product.setting)).collect();
        let text = if settings.is_empty() {
            "Switch stickiness off in the balancer that sets it; tell the layer what stands in front (`behind`) and this report names the setting".to_owned()
        } else {
            format!("Tell the layer what stands in front (`behind`){}", settings.concat())
        };
        (text.clone(), text)
    }
}

impl fmt::Display for PinReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PinCounts { seen, told, dropped, gone, kept, again } = self.counts;
        writeln!(f, "{}: {}", self.subject, self.verdict.title())?;
        writeln!(f, "  seen {seen}, told {told}, left out {dropped}, gone {gone}, kept {kept}, again {again}")?;
        // The heading has named it.
        let sentence = self.sentence.strip_prefix(self.subject.as_str()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&self.sentence);
        writeln!(f, "  {sentence}")
    }
}

impl ToJson for PinCounts {
    fn write(&self, out: &mut String) {
        let Self { seen, told, dropped, gone, kept, again } = self;
        object(out, &[("seen", seen), ("told", told), ("dropped", dropped), ("gone", gone), ("kept", kept), ("again", again)]);
    }
}

impl ToJson for PinReport {
    fn write(&self, out: &mut String) {
        let Self { product, subject, is_configured, verdict, sentence, counts, evidence } = self;
        let verdict = verdict.as_str();
        object(
            out,
            &[
                ("product", product),
                ("subject", subject),
                ("is_configured", is_configured),
                ("verdict", &verdict),
                ("sentence", sentence),
                ("counts", counts),
                ("evidence", evidence),
            ],
        );
    }
}
