//! Whether un-pinning works for a product, from what was counted.

use std::fmt::Write;

use crate::{Lever, report::PinCounts};

/// Fewer answers to a deletion than these say nothing.
pub(crate) const FEWEST_ANSWERS: u64 = 5;

/// Whether un-pinning works for a product, as far as this node has seen.
///
/// Clients that were told to delete a pin answer with their next request: the cookie is *gone*; it was *kept*, because the deletion does not reach it; or it
/// is there *again*, after having gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Verdict {
    /// No request carried the pin.
    NotSeen,
    /// At least nine of ten answers came without the cookie.
    Works,
    /// The cookie goes and is set anew: at least one answer in four that is not *kept* is *again*. Such a client is pinned every second request at worst.
    EverySecondRequest,
    /// More than half of the answers are *kept*: `Domain` or `Path` of the deletion are not those of the cookie, or the balancer sets it with every
    /// response.
    NoEffect,
    /// It works for some: more than one answer in ten came with the cookie, and neither of the two before it says why.
    Partly,
    /// The cookie was configured, told to expire and never seen, while the route watch sees clients stay on one node: it is hidden, or clients stay for
    /// another reason.
    Hidden,
    /// The product is known to leave the application no way out, and most answers, if there were any, are *kept*: only the balancer's configuration
    /// ends this pin.
    ConfigurationOnly,
    /// There were fewer than five answers.
    TooEarly,
    /// It ends by other means than a deletion, or is only reported, and nothing that clients send tells whether it ends.
    NotFollowed,
}

impl Verdict {
    /// The verdict on what was counted for a product. `is_configured`: the operator named its cookie, so that it is deleted unseen; `stayed`: clients that
    /// the route watch saw stay on one node with no pin in sight.
    #[must_use]
    pub fn of(counts: &PinCounts, lever: Lever, is_configured: bool, stayed: u64) -> Self {
        let (gone, kept, again) = (u128::from(counts.gone), u128::from(counts.kept), u128::from(counts.again));
        let answers = gone + kept + again;
        if answers >= u128::from(FEWEST_ANSWERS) {
            return if (kept + again) * 10 <= answers {
                Self::Works
            } else if kept * 2 > answers && lever == Lever::ConfigurationOnly {
                Self::ConfigurationOnly
            } else if kept * 2 > answers {
                Self::NoEffect
            } else if again * 4 >= gone + again {
                Self::EverySecondRequest
            } else {
                Self::Partly
            };
        }
        match (lever, counts.seen) {
            (_, 0) if is_configured && counts.told > 0 && stayed > 0 => Self::Hidden,
            (_, 0) => Self::NotSeen,
            (Lever::ConfigurationOnly, _) => Self::ConfigurationOnly,
            (Lever::Redispatch, _) => Self::NotFollowed,
            _ => Self::TooEarly,
        }
    }

    /// A stable lowercase name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSeen => "not_seen",
            Self::Works => "works",
            Self::EverySecondRequest => "every_second_request",
            Self::NoEffect => "no_effect",
            Self::Partly => "partly",
            Self::Hidden => "hidden",
            Self::ConfigurationOnly => "configuration_only",
            Self::TooEarly => "too_early",
            Self::NotFollowed => "not_followed",
        }
    }

    /// As a heading.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::NotSeen => "not seen",
            Self::Works => "un-pinning works",
            Self::EverySecondRequest => "pinned again and again",
            Self::NoEffect => "un-pinning has no effect",
            Self::Partly => "un-pinning works in part",
            Self::Hidden => "never seen, and clients stay",
            Self::ConfigurationOnly => "only the balancer can end it",
            Self::TooEarly => "too early to tell",
            Self::NotFollowed => "seen, and not followed",
        }
    }
}

/// What a sentence speaks of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    /// The product and its cookies: `AWS ALB target group (AWSALB, AWSALBCORS)`.
    pub(crate) subject: &'a str,
    /// The product and the setting that ends the pin, as one sentence without a full stop.
    pub(crate) setting: &'a str,
    /// The same, and what the catalogue says that the application can do.
    pub(crate) advice: &'a str,
    pub(crate) counts: &'a PinCounts,
    pub(crate) requests: u64,
    pub(crate) stayed: u64,
}

impl Case<'_> {
    /// What an operator has to know and to do. Says no more than the numbers in it.
    pub(crate) fn sentence(&self, verdict: Verdict) -> String {
        let Self { subject, setting, advice, counts, requests, stayed } = self;
        let PinCounts { seen, told, dropped, gone, kept, again } = counts;
        let answers = gone.saturating_add(*kept).saturating_add(*again);
        let mut text = match verdict {
            Verdict::NotSeen if *told > 0 => format!(
                "{subject}: not seen in {requests} requests and told to expire with {told} responses. Either no client is pinned by it or the balancer hides it; \
                 the route watch (`watch_routes`) tells these two apart."
            ),
            Verdict::NotSeen => format!("{subject}: not seen in {requests} requests."),
            Verdict::Works => format!("{subject}: un-pinning works. Of {answers} answers to a deletion, {gone} came without the cookie."),
            Verdict::EverySecondRequest => format!(
                "{subject}: of {answers} answers to a deletion, {gone} came without the cookie and {again} had it again after it had gone, as with a balancer that \
                 sets its cookie after the application's headers: clients are pinned up to every second request."
            ),
            Verdict::NoEffect => format!(
                "{subject}: of {answers} answers to a deletion, {kept} still had the cookie: the balancer sets it with another Domain or Path than the deletion's, or \
                 with every response. Compare its Set-Cookie line in the browser and give Domain and Path to the layer."
            ),
            Verdict::Partly => {
                format!(
                    "{subject}: of {answers} answers to a deletion, {gone} came without the cookie, {kept} still had it and {again} had it again."
                )
            }
            Verdict::Hidden => format!(
                "{subject}: told to expire with {told} responses and never seen, while the route watch saw clients stay on this node {stayed} times: either the balancer takes the cookie out \
                 of requests and does not pass the deletion on, or the deletion works and clients stay for another reason, which the route watch's list may name."
            ),
            Verdict::ConfigurationOnly if answers > 0 => format!(
                "{subject}: seen in {seen} of {requests} requests; of {answers} answers to a deletion, {kept} still had the cookie."
            ),
            Verdict::ConfigurationOnly => format!("{subject}: seen in {seen} of {requests} requests."),
            Verdict::NotFollowed if *told == 0 => format!("{subject}: seen in {seen} of {requests} requests, and only reported."),
            Verdict::NotFollowed => format!(
                "{subject}: seen in {seen} of {requests} requests, and told to end with {told} responses. Nothing tells whether it does, but requests with it that \
                 become fewer."
            ),
            Verdict::TooEarly if *told == 0 => format!("{subject}: seen in {seen} of {requests} requests; no deletion was sent yet."),
            Verdict::TooEarly => {
                format!("{subject}: seen in {seen} of {requests} requests. Answers to a deletion so far: {answers}, too few to tell.")
            }
        };
        if *dropped > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, " {dropped} deletions were left out because the response's header budget was used up.");
        }
        // What the application could do must not contradict what was seen of it.
        let is_open = matches!(verdict, Verdict::ConfigurationOnly | Verdict::TooEarly | Verdict::NotFollowed);
        let _ = write!(text, " {}.", if is_open { advice } else { setting });
        text
    }
}

#[cfg(test)]
mod tests;
