use proptest::prelude::*;

use super::{DrainReport, FindingReport, PinReport, Report};
use crate::{
    catalogue,
    report::{PinCounts, Verdict},
    tally::{Row, Tally},
};

/// A node behind HAProxy with a pin from an earlier ALB, and a cookie whose product nobody named.
fn tally() -> Tally {
    let mut tally = Tally::of_catalogue();
    let haproxy = catalogue::product("haproxy").unwrap();
    let row = tally.rows.iter_mut().find(|row| row.label == "haproxy").unwrap();
    (row.is_configured, row.cookies) = (true, vec!["SRV".to_owned()]);
    assert_eq!(row.product, Some(haproxy));
    let mut own = Row::new("EDGE", None);
    (own.is_configured, own.cookies) = (true, vec!["EDGE".to_owned()]);
    tally.rows.push(own);
    tally.name("n1");
    tally
}

fn row<'a>(tally: &'a Tally, label: &str) -> &'a Row {
    tally.rows.iter().find(|row| row.label == label).unwrap()
}

#[test]
fn a_report_lists_what_is_configured_or_seen_and_says_what_to_do() {
    let tally = tally();
    for _ in 0..16 {
        tally.request();
        row(&tally, "haproxy").told();
    }
    for _ in 0..4 {
        tally.pinned();
        row(&tally, "aws-alb").seen();
    }
    let report = Report::of(&tally, "n1");
    let listed: Vec<_> = report.pins.iter().map(|pin| (pin.product.as_str(), pin.is_configured, pin.verdict)).collect();
    assert_eq!(
        listed,
        [("haproxy", true, Verdict::NotSeen), ("EDGE", true, Verdict::NotSeen), ("aws-alb", false, Verdict::ConfigurationOnly)]
    );
    assert_eq!((report.requests, report.pinned, report.route_runs, report.route_sentence.as_deref()), (16, 4, 0, None));
    assert!((report.pinned_ratio - 0.25).abs() < f64::EPSILON);

    let haproxy = catalogue::product("haproxy").unwrap();
    let alb = catalogue::product("aws-alb").unwrap();
    assert_eq!(
        report.to_string(),
        format!(
            "Stickiness as seen by n1\n\
             16 requests with un-pinning on, 4 of them pinned (25.0 %)\n\
             \n\
             {} (SRV): not seen\n  \
               seen 0, told 16, left out 0, gone 0, kept 0, again 0\n  \
               not seen in 16 requests and told to expire with 16 responses. Either no client is pinned by it or the balancer hides it; the route \
             watch (`watch_routes`) tells these two apart. {}: {}.\n\
             \n\
             Cookie EDGE: not seen\n  \
               seen 0, told 0, left out 0, gone 0, kept 0, again 0\n  \
               not seen in 16 requests. Switch stickiness off in the balancer that sets it; tell the layer what stands in front (`behind`) and this \
             report names the setting.\n\
             \n\
             {} (AWSALB, AWSALBCORS): only the balancer can end it\n  \
               seen 4, told 0, left out 0, gone 0, kept 0, again 0\n  \
               seen in 4 of 16 requests. {}.\n",
            haproxy.title,
            haproxy.title,
            haproxy.setting,
            alb.title,
            alb.advice(),
        )
    );
}

#[test]
fn pins_that_nobody_sees_are_told_by_the_route_watch() {
    let tally = tally();
    row(&tally, "haproxy").told();
    tally.route_run();
    let report = Report::of(&tally, "");
    assert_eq!((report.pins[0].verdict, report.pins[1].verdict), (Verdict::Hidden, Verdict::NotSeen), "nobody was told about the second");
    let service = catalogue::product("kubernetes-service").unwrap();
    assert!(report.route_settings.contains(&format!("{}: {}", service.title, service.setting)), "{:?}", report.route_settings);
    let text = report.to_string();
    assert!(report.route_settings.iter().all(|setting| text.contains(&format!("\n  * {setting}\n"))), "{text}");
    assert!(text.starts_with("Stickiness as seen by this node\n0 requests with un-pinning on, 0 of them pinned (0.0 %)\n"), "{text}");
    assert!(text.contains("\nRoute watch\n  Clients stayed on this node 1 times"), "{text}");
}

#[test]
fn a_cookie_of_a_common_name_gets_the_settings_of_its_suspects() {
    let haproxy = catalogue::product("haproxy").unwrap();
    for idiom in haproxy.idioms {
        let mut tally = Tally::of_catalogue();
        let mut own = Row::new(idiom, None);
        own.is_configured = true;
        tally.rows.push(own);
        let report = Report::of(&tally, "n1");
        let sentence = &report.pins[0].sentence;
        assert!(sentence.contains(&format!(". If {} sets it: {}", haproxy.title, haproxy.setting)), "{sentence}");
    }
}

#[test]
fn a_node_without_pins_says_so() {
    let text = Report::of(&Tally::of_catalogue(), "n1").to_string();
    assert!(text.ends_with("No pin was configured or seen.\n"), "{text}");
}

#[test]
fn every_product_has_a_sentence_with_its_setting() {
    let tally = Tally::of_catalogue();
    tally.rows.iter().for_each(Row::seen);
    let report = Report::of(&tally, "n1");
    assert_eq!(report.pins.len(), catalogue::products().len());
    for pin in report.pins {
        let product = catalogue::product(&pin.product).unwrap();
        assert!(pin.sentence.starts_with(product.title) && pin.sentence.contains(product.setting), "{}", pin.sentence);
        assert_eq!(pin.evidence.as_deref(), Some(product.evidence.as_str()));
    }
}

fn full(text: &str, numbers: [u64; 3]) -> Report {
    let [one, two, three] = numbers;
    let counts = PinCounts { seen: one, told: two, dropped: three, gone: one, kept: two, again: three };
    let pin = |evidence| PinReport {
        product: text.to_owned(),
        subject: text.to_owned(),
        is_configured: one % 2 == 0,
        verdict: Verdict::EverySecondRequest,
        sentence: text.to_owned(),
        counts,
        evidence,
    };
    let mut report = Report::of(&Tally::of_catalogue(), text);
    (report.requests, report.pinned, report.pinned_ratio) = (two, one, 0.125);
    report.pins = vec![pin(None), pin(Some("tested".to_owned()))];
    (report.route_runs, report.route_sentence, report.route_settings) = (three, Some(text.to_owned()), vec![text.to_owned()]);
    report.findings = vec![FindingReport { kind: "clock_skew".to_owned(), count: one, detail: text.to_owned(), sentence: text.to_owned() }];
    report.drain = Some(DrainReport { phase: "serving".to_owned(), in_flight: one, pending: two, sentence: text.to_owned() });
    report
}

#[test]
fn json_is_as_documented() {
    let empty = Report::of(&Tally::of_catalogue(), "n1");
    assert_eq!(
        empty.to_json(),
        r#"{"instance":"n1","requests":0,"pinned":0,"pinned_ratio":0.0,"pins":[],"route_runs":0,"route_sentence":null,"route_settings":[],"findings":[],"drain":null}"#
    );
    assert_eq!(
        full("a \"b\"", [2, 8, 3]).to_json(),
        concat!(
            r#"{"instance":"a \"b\"","requests":8,"pinned":2,"pinned_ratio":0.125,"pins":["#,
            r#"{"product":"a \"b\"","subject":"a \"b\"","is_configured":true,"verdict":"every_second_request","sentence":"a \"b\"","#,
            r#""counts":{"seen":2,"told":8,"dropped":3,"gone":2,"kept":8,"again":3},"evidence":null},"#,
            r#"{"product":"a \"b\"","subject":"a \"b\"","is_configured":true,"verdict":"every_second_request","sentence":"a \"b\"","#,
            r#""counts":{"seen":2,"told":8,"dropped":3,"gone":2,"kept":8,"again":3},"evidence":"tested"}],"#,
            r#""route_runs":3,"route_sentence":"a \"b\"","route_settings":["a \"b\""],"findings":[{"kind":"clock_skew","count":2,"detail":"a \"b\"","sentence":"a \"b\""}],"#,
            r#""drain":{"phase":"serving","in_flight":2,"pending":8,"sentence":"a \"b\""}}"#
        )
    );
}

#[cfg(feature = "serde")]
proptest! {
    #[test]
    fn what_is_written_is_what_serde_serializes(text in any::<String>(), numbers in any::<[u64; 3]>()) {
        let report = full(&text, numbers);
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&report.to_json()).unwrap(), serde_json::to_value(&report).unwrap());
    }
}

#[cfg(feature = "serde")]
#[test]
fn verdicts_have_one_name() {
    let all = [
        Verdict::NotSeen,
        Verdict::Works,
        Verdict::EverySecondRequest,
        Verdict::NoEffect,
        Verdict::Partly,
        Verdict::Hidden,
        Verdict::ConfigurationOnly,
        Verdict::TooEarly,
        Verdict::NotFollowed,
    ];
    for verdict in all {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
    }
}

proptest! {
    #[test]
    fn a_ratio_is_one(part in any::<u64>(), whole in any::<u64>()) {
        prop_assert!((0.0..=1.0).contains(&super::ratio(part, whole)));
    }
}
