use proptest::{array::uniform3, prelude::*};

use super::{Case, FEWEST_ANSWERS, Verdict};
use crate::{Lever, report::PinCounts};

const LEVERS: [Lever; 6] =
    [Lever::PreventAndExpire, Lever::ExpireAlways, Lever::Expire, Lever::Redispatch, Lever::RenameSessionCookie, Lever::ConfigurationOnly];

fn counts(seen: u64, told: u64, [gone, kept, again]: [u64; 3]) -> PinCounts {
    PinCounts { seen, told, dropped: 0, gone, kept, again }
}

#[test]
fn patterns_measured_with_real_products_are_told_apart() {
    let of = |lever, counts| Verdict::of(&counts, lever, true, 0);
    // A client alternates between pinned and free.
    assert_eq!(of(Lever::Expire, counts(30, 60, [30, 0, 29])), Verdict::EverySecondRequest, "Apache");
    // 20 clients that carried a pin from before, and are free from then on.
    assert_eq!(of(Lever::ExpireAlways, counts(20, 1200, [20, 0, 0])), Verdict::Works, "Traefik");
    // The cookie has a Domain that the deletion lacks.
    assert_eq!(of(Lever::ExpireAlways, counts(60, 60, [0, 59, 0])), Verdict::NoEffect, "nginx with domain");
    // An old cookie of the parent domain stays with some clients.
    assert_eq!(of(Lever::PreventAndExpire, counts(100, 100, [70, 30, 0])), Verdict::Partly, "ARR");
    // The balancer takes its cookie out of requests.
    assert_eq!(Verdict::of(&counts(0, 600, [0; 3]), Lever::ExpireAlways, true, 9), Verdict::Hidden, "HAProxy indirect without preserve");
    assert_eq!(Verdict::of(&counts(0, 600, [0; 3]), Lever::ExpireAlways, true, 0), Verdict::NotSeen, "HAProxy indirect with preserve");
    assert_eq!(of(Lever::ConfigurationOnly, counts(60, 0, [0; 3])), Verdict::ConfigurationOnly, "ALB");
    assert_eq!(of(Lever::ConfigurationOnly, counts(60, 60, [0, 59, 0])), Verdict::ConfigurationOnly, "ALB, although it was told");
    assert_eq!(of(Lever::Expire, counts(4, 4, [4, 0, 0])), Verdict::TooEarly);
    assert_eq!(of(Lever::ConfigurationOnly, counts(60, 60, [59, 0, 0])), Verdict::Works, "what was seen counts more than what is written");
}

#[test]
fn every_sentence_names_product_setting_and_numbers() {
    let none = [0; 3];
    let say = |counts: PinCounts, lever, stayed| {
        let case = Case {
            subject: "HAProxy cookie SRV",
            setting: "HAProxy: remove the `cookie` line",
            advice: "HAProxy: remove the `cookie` line; until then wait",
            counts: &counts,
            requests: 600,
            stayed,
        };
        case.sentence(Verdict::of(&counts, lever, true, stayed))
    };
    let always = Lever::ExpireAlways;
    assert_eq!(say(counts(0, 0, none), always, 0), "HAProxy cookie SRV: not seen in 600 requests. HAProxy: remove the `cookie` line.");
    assert_eq!(
        say(counts(0, 590, none), always, 0),
        "HAProxy cookie SRV: not seen in 600 requests and told to expire with 590 responses. Either no client is pinned by it or the balancer hides it; the \
         route watch (`watch_routes`) tells these two apart. HAProxy: remove the `cookie` line."
    );
    assert_eq!(
        say(counts(20, 590, [19, 1, 0]), always, 0),
        "HAProxy cookie SRV: un-pinning works. Of 20 answers to a deletion, 19 came without the cookie. HAProxy: remove the `cookie` line."
    );
    assert_eq!(
        say(counts(30, 590, [30, 0, 29]), always, 0),
        "HAProxy cookie SRV: of 59 answers to a deletion, 30 came without the cookie and 29 had it again after it had gone, as with a balancer that sets its \
         cookie after the application's headers: clients are pinned up to every second request. HAProxy: remove the `cookie` line."
    );
    assert_eq!(
        say(counts(600, 590, [0, 589, 0]), always, 0),
        "HAProxy cookie SRV: of 589 answers to a deletion, 589 still had the cookie: the balancer sets it with another Domain or Path than the deletion's, or with \
         every response. Compare its Set-Cookie line in the browser and give Domain and Path to the layer. HAProxy: remove the `cookie` line."
    );
    assert_eq!(
        say(counts(100, 590, [70, 29, 1]), always, 0),
        "HAProxy cookie SRV: of 100 answers to a deletion, 70 came without the cookie, 29 still had it and 1 had it again. HAProxy: remove the `cookie` line."
    );
    assert_eq!(
        say(counts(0, 590, none), always, 7),
        "HAProxy cookie SRV: told to expire with 590 responses and never seen, while the route watch saw clients stay on this node 7 times: either the balancer takes the cookie out of \
         requests and does not pass the deletion on, or the deletion works and clients stay for another reason, which the route watch's list may name. HAProxy: remove the `cookie` line."
    );
    assert_eq!(
        say(counts(9, 0, none), Lever::ConfigurationOnly, 0),
        "HAProxy cookie SRV: seen in 9 of 600 requests. HAProxy: remove the `cookie` line; until then wait."
    );
    assert_eq!(
        say(counts(60, 60, [1, 58, 0]), Lever::ConfigurationOnly, 0),
        "HAProxy cookie SRV: seen in 60 of 600 requests; of 59 answers to a deletion, 58 still had the cookie. HAProxy: remove the `cookie` line; until then wait."
    );
    assert_eq!(
        say(counts(9, 0, none), always, 0),
        "HAProxy cookie SRV: seen in 9 of 600 requests; no deletion was sent yet. HAProxy: remove the `cookie` line; until then wait."
    );
    assert_eq!(
        say(counts(9, 7, none), Lever::Redispatch, 0),
        "HAProxy cookie SRV: seen in 9 of 600 requests, and told to end with 7 responses. Nothing tells whether it does, but requests with it that become fewer. \
         HAProxy: remove the `cookie` line; until then wait."
    );
    assert_eq!(
        say(counts(9, 0, none), Lever::Redispatch, 0),
        "HAProxy cookie SRV: seen in 9 of 600 requests, and only reported. HAProxy: remove the `cookie` line; until then wait."
    );
    assert_eq!(
        say(PinCounts { dropped: 8, ..counts(9, 1, [1, 0, 0]) }, always, 0),
        "HAProxy cookie SRV: seen in 9 of 600 requests. Answers to a deletion so far: 1, too few to tell. 8 deletions were left out because the response's header \
         budget was used up. HAProxy: remove the `cookie` line; until then wait."
    );
}

proptest! {
    #[test]
    fn any_counts_have_a_verdict_that_their_numbers_carry(
        seen in any::<u64>(), told in any::<u64>(), answers in any::<[u64; 3]>(), small in uniform3(0..20_u64), is_small in any::<bool>(),
        lever in 0..LEVERS.len(), is_configured in any::<bool>(), stayed in 0..3_u64,
    ) {
        let [gone, kept, again] = if is_small { small } else { answers };
        let counts = counts(seen, told, [gone, kept, again]);
        let verdict = Verdict::of(&counts, LEVERS[lever], is_configured, stayed);
        let total = u128::from(gone) + u128::from(kept) + u128::from(again);
        let is_answered = total >= u128::from(FEWEST_ANSWERS);
        match verdict {
            Verdict::Works => prop_assert!(is_answered && gone > kept.saturating_add(again)),
            Verdict::NoEffect => prop_assert!(is_answered && kept > gone),
            Verdict::EverySecondRequest => prop_assert!(is_answered && again > 0),
            Verdict::Partly => prop_assert!(is_answered && kept.saturating_add(again) > 0),
            Verdict::Hidden => prop_assert!(!is_answered && is_configured && seen == 0 && told > 0 && stayed > 0),
            Verdict::NotSeen => prop_assert!(!is_answered && seen == 0),
            Verdict::ConfigurationOnly => {
                let is_carried = if is_answered { kept > gone } else { seen > 0 };
                prop_assert!(is_carried && LEVERS[lever] == Lever::ConfigurationOnly);
            }
            Verdict::NotFollowed => prop_assert!(!is_answered && seen > 0 && LEVERS[lever] == Lever::Redispatch),
            Verdict::TooEarly => prop_assert!(!is_answered && seen > 0 && LEVERS[lever] != Lever::ConfigurationOnly),
        }
        let case = Case { subject: "subject", setting: "SETTING", advice: "SETTING; until then", counts: &counts, requests: u64::MAX, stayed };
        let sentence = case.sentence(verdict);
        prop_assert!(sentence.starts_with("subject: ") && sentence.contains(" SETTING") && sentence.ends_with('.'), "{}", sentence);
    }

    /// Better answers never make a verdict that says that it works into one that says that it does not.
    #[test]
    fn one_more_that_is_gone_keeps_works(answers in uniform3(0..1000_u64), lever in 0..LEVERS.len()) {
        let [gone, kept, again] = answers;
        let before = Verdict::of(&counts(9, 9, answers), LEVERS[lever], true, 0);
        let after = Verdict::of(&counts(9, 9, [gone + 1, kept, again]), LEVERS[lever], true, 0);
        prop_assert!(before != Verdict::Works || after == Verdict::Works);
        let worse = Verdict::of(&counts(9, 9, [gone, kept + 1, again]), LEVERS[lever], true, 0);
        prop_assert!(before != Verdict::NoEffect || worse == Verdict::NoEffect);
        prop_assert!(worse != Verdict::Works || before == Verdict::Works || gone + kept + again < FEWEST_ANSWERS);
    }
}
