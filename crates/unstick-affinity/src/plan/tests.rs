use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};
use proptest::prelude::*;
use unstick_core::HeaderBudget;

use super::{Case, MAX_BYTES, MAX_LINES, Plan, plan};
use crate::{
    catalogue,
    decide::{Own, carried},
    filter::Filter,
    judge::Verdict,
    marker::{self, Marker, Run, tests::any_marker},
    pin::PinCookie,
    tally::{Row, Tally},
};

fn headers(name: &http::HeaderName, lines: &[String]) -> HeaderMap {
    lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
}

struct Bench {
    own: Vec<Own>,
    rows: Vec<Row>,
    response: HeaderMap,
    budget: HeaderBudget,
    run: Option<Run>,
    bucket: Option<u8>,
}

impl Bench {
    fn new(pins: impl IntoIterator<Item = PinCookie>) -> Self {
        let mut rows = Tally::of_catalogue().rows;
        let own = pins.into_iter().map(|pin| {
            rows.push(Row::new(&pin.name, None));
            Own::new(pin, rows.len() - 1)
        });
        let own = own.collect();
        Self { own, rows, response: HeaderMap::new(), budget: HeaderBudget::default(), run: None, bucket: None }
    }

    fn plan(&mut self, cookies: &str, host: Option<&str>, path: &str) -> Plan {
        let carried =
            carried(&headers(&COOKIE, &[cookies.to_owned()]), &Filter::new(self.own.iter().map(|own| own.pin.name.as_str())), &self.own)
                .map(|carried| *carried)
                .unwrap_or_default();
        let case =
            Case { own: &self.own, rows: &self.rows, carried: &carried, host, outer: None, path, run: self.run, bucket: self.bucket };
        plan(case, &self.response, &mut self.budget)
    }

    fn labels(&self, rows: &[usize]) -> Vec<&str> {
        rows.iter().map(|row| self.rows[*row].label.as_str()).collect()
    }
}

fn texts(plan: &Plan) -> Vec<&str> {
    plan.lines.iter().map(|line| line.to_str().unwrap()).collect()
}

fn deletions(plan: &Plan) -> Vec<&str> {
    texts(plan).into_iter().filter(|line| !line.starts_with(marker::NAME)).collect()
}

/// The marker that the client carries from now on, as `name=value`.
fn told(plan: &Plan) -> String {
    let line = texts(plan).into_iter().find(|line| line.starts_with(marker::NAME)).expect("a marker");
    line.split(';').next().unwrap_or_default().to_owned()
}

#[test]
fn azure_is_deleted_with_the_domain_it_sets_and_both_twins_fit() {
    let plan = Bench::new([]).plan("ARRAffinity=x; ARRAffinitySameSite=x", Some("shop.example.com"), "/");
    assert_eq!(
        deletions(&plan),
        [
            "ARRAffinity=; Path=/; Max-Age=0; Domain=shop.example.com",
            "ARRAffinitySameSite=; Path=/; Max-Age=0; Domain=shop.example.com; SameSite=None; Secure",
            "ARRAffinity=; Path=/; Max-Age=0",
            "ARRAffinitySameSite=; Path=/; Max-Age=0; Domain=shop.example.com; SameSite=None; Secure; Partitioned",
            "ARRAffinitySameSite=; Path=/; Max-Age=0; SameSite=None; Secure",
            "ARRAffinitySameSite=; Path=/; Max-Age=0; SameSite=None; Secure; Partitioned",
        ]
    );
    assert!(texts(&plan)[6].starts_with("unstick-pins=1"), "the marker comes last");
    assert!(texts(&plan)[6].ends_with("; Path=/; Max-Age=900; HttpOnly; SameSite=Lax"));
}

#[test]
fn configured_cookies_are_deleted_unseen_in_every_configured_form_without_a_marker() {
    let srv = PinCookie::new("SRV").unwrap().domain(".example.com").unwrap().path("/a").unwrap().path("/b").unwrap();
    let plan = Bench::new([srv, PinCookie::new("__Host-pin").unwrap().partitioned()]).plan("x=1", Some("example.com"), "/");
    assert_eq!(
        texts(&plan),
        [
            "SRV=; Path=/a; Max-Age=0; Domain=example.com",
            "__Host-pin=; Path=/; Max-Age=0; Secure; Partitioned",
            "SRV=; Path=/b; Max-Age=0; Domain=example.com",
            "SRV=; Path=/a; Max-Age=0",
            "SRV=; Path=/b; Max-Age=0",
        ]
    );
}

#[test]
fn what_the_handler_sets_and_what_can_only_be_reported_is_left_alone() {
    let mut bench = Bench::new([PinCookie::new("SRV").unwrap(), PinCookie::new("SR").unwrap()]);
    bench.response = headers(&SET_COOKIE, &["SRV=keep; Path=/x".to_owned(), "__cflb=v".to_owned()]);
    let plan = bench.plan("__cflb=1; SRV=1; NSC_TMAS=login; DO-LB=1", None, "/");
    assert_eq!(texts(&plan), ["SR=; Path=/; Max-Age=0"], "and nobody was told anything to remember");
    bench.response = headers(&SET_COOKIE, &["unstick-pins=inner; Path=/".to_owned()]);
    let plan = bench.plan("GCLB=1", None, "/");
    assert_eq!(
        texts(&plan),
        ["SRV=; Path=/; Max-Age=0", "SR=; Path=/; Max-Age=0", "GCLB=; Path=/; Max-Age=0"],
        "an inner layer has its marker"
    );
}

#[test]
fn ours_are_dropped_when_the_shared_budget_is_used_up() {
    let mut bench = Bench::new([]);
    bench.budget = HeaderBudget::new(HeaderBudget::line(SET_COOKIE.as_str().len(), "GCLB=; Path=/; Max-Age=0".len()));
    let plan = bench.plan("GCLB=1; __cflb=1", None, "/");
    assert_eq!((bench.labels(&plan.told), bench.labels(&plan.dropped)), (vec!["gcp-load-balancing"], vec!["cloudflare"]));
    assert_eq!((texts(&plan).len(), bench.budget.left()), (1, 0));
}

#[test]
fn a_pin_that_stays_is_told_every_form_in_turn_and_then_no_more() {
    let mut bench = Bench::new([]);
    let host = Some("a.shop.example.com");
    let mut carried = "GCLB=1".to_owned();
    let mut all: Vec<String> = Vec::new();
    let mut requests = 0;
    loop {
        let plan = bench.plan(&carried, host, "/x/y");
        let verdict = if requests == 0 { Verdict::First } else { Verdict::Kept };
        assert_eq!(plan.verdicts.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>(), [verdict]);
        all.extend(deletions(&plan).into_iter().map(str::to_owned));
        requests += 1;
        let marker = told(&plan);
        carried = format!("GCLB=1; {marker}");
        if plan.told.is_empty() {
            assert!(texts(&plan)[0].contains("Max-Age=21600"), "{:?}", texts(&plan));
            break;
        }
        assert!(requests < 30);
    }
    for form in ["; Domain=example.com", "; Domain=shop.example.com"] {
        for path in ["/", "/x", "/x/", "/x/y"] {
            let line = format!("GCLB=; Path={path}; Max-Age=0{form}");
            assert_eq!(all.iter().filter(|told| **told == line).count(), 2, "{line}");
        }
    }
    assert!(!all.iter().any(|line| line.contains("Domain=com")));
    let plan = bench.plan(&carried, host, "/x/y");
    assert_eq!((texts(&plan).len(), plan.verdicts.len()), (0, 1), "nothing, until the client has forgotten");
}

#[test]
fn a_pin_that_goes_is_noticed_on_any_node_and_one_that_returns_is_told_what_worked() {
    let mut bench = Bench::new([PinCookie::new("SRV").unwrap()]);
    let host = Some("shop.example.com");
    let first = told(&bench.plan("SRV=a", host, "/"));
    let kept = bench.plan(&format!("SRV=a; {first}"), host, "/");
    assert!(deletions(&kept).contains(&"SRV=; Path=/; Max-Age=0; Domain=example.com"), "{:?}", texts(&kept));
    let gone = Bench::new([PinCookie::new("SRV").unwrap()]).plan(&told(&kept), host, "/");
    assert_eq!(gone.verdicts.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>(), [Verdict::Gone]);
    let quiet = bench.plan(&told(&gone), host, "/");
    assert_eq!((quiet.verdicts.len(), texts(&quiet).len()), (0, 2), "the two forms that go with every response, and no marker");
    let again = bench.plan(&format!("SRV=b; {}", told(&gone)), host, "/");
    assert_eq!(again.verdicts.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>(), [Verdict::Again]);
    assert_eq!(deletions(&again), deletions(&kept));
}

#[test]
fn a_marker_with_nothing_to_remember_is_removed() {
    let mut bench = Bench::new([]);
    let removal = ["unstick-pins=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"];
    for spoilt in ["unstick-pins=", "unstick-pins=%00", "unstick-pins=1", "unstick-pins=1abcdef000000.", "unstick-pins=1nodeaa"] {
        assert_eq!(texts(&bench.plan(spoilt, None, "/")), removal, "{spoilt}");
    }
}

#[test]
fn a_watched_client_and_a_new_bucket_have_their_lines() {
    let mut bench = Bench::new([]);
    bench.run = Some(Run { node: 5, length: 3 });
    bench.bucket = Some(42);
    let plan = bench.plan("", None, "/");
    assert_eq!(
        texts(&plan),
        [
            "unstick-bucket=42; Path=/; Max-Age=15552000; HttpOnly; SameSite=Lax",
            "unstick-pins=1000503; Path=/; Max-Age=900; HttpOnly; SameSite=Lax"
        ]
    );
    assert!(plan.is_run_told);
    bench.budget = HeaderBudget::new(100);
    assert!(!bench.plan("", None, "/").is_run_told);
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("ARRAffinity".to_owned()),
        Just("ARRAffinitySameSite".to_owned()),
        Just("AWSALBCORS".to_owned()),
        Just("__cflb".to_owned()),
        Just("__Host-x".to_owned()),
        "BIGipServer[a-z~]{1,40}",
        "AWSALBAPP-[0-9]{1,3}",
        "[a-zA-Z_]{1,12}",
    ]
}

/// Markers of any shape: well-formed ones, ours for the pins at hand, and garbage.
fn any_marker_text() -> impl Strategy<Value = String> {
    let own = (any_marker(), prop::collection::vec(0..catalogue::products().len(), 8)).prop_map(|(mut marker, rows)| {
        for (entry, row) in marker.entries.iter_mut().zip(rows) {
            entry.key.label = marker::Key::new(catalogue::products()[row].name, "").label;
        }
        marker.value()
    });
    prop_oneof![any_marker().prop_map(|marker| marker.value()), own, "[!-:<-~]{0,200}", "1[0-9A-Za-z_.-]{0,120}"]
}

proptest! {
    #[test]
    fn lines_keep_to_the_budget_and_to_names_that_are_ours_whatever_the_marker_says(
        (own, carried, set) in (prop::collection::vec(any_name(), 0..5), prop::collection::vec(any_name(), 0..12), prop::collection::vec(any_name(), 0..5)),
        markers in prop::collection::vec(any_marker_text(), 0..3),
        host in prop::option::of("[a-z]{1,60}(\\.[a-z]{1,60}){0,3}"),
        path in "(/[a-z;ü]{0,70}){0,6}",
        budget in 0usize..4000,
        (run, bucket) in (any::<bool>(), prop::option::of(0u8..100)),
    ) {
        let mut bench = Bench::new(own.iter().map(|name| PinCookie::new(name).unwrap()));
        bench.response = headers(&SET_COOKIE, &set.iter().map(|name| format!("{name}=theirs")).collect::<Vec<_>>());
        bench.budget = HeaderBudget::new(budget);
        (bench.run, bench.bucket) = (run.then_some(Run { node: 1, length: 2 }), bucket);
        let cookies = carried.iter().map(|name| format!("{name}=v")).chain(markers.iter().map(|marker| format!("unstick-pins={marker}")));
        let plan = bench.plan(&cookies.collect::<Vec<_>>().join("; "), host.as_deref(), &path);
        let added = texts(&plan);
        let bytes: usize = added.iter().map(|line| HeaderBudget::line(SET_COOKIE.as_str().len(), line.len())).sum();
        prop_assert!(added.len() <= MAX_LINES && bytes <= MAX_BYTES, "{} {}", added.len(), bytes);
        prop_assert_eq!(budget - bench.budget.left(), bytes);
        for line in &added {
            let name = line.split('=').next().unwrap_or_default();
            prop_assert!(!set.iter().any(|set| set == name), "{} is the handler's", name);
            let is_ours = name == "unstick-pins" || name == "unstick-bucket";
            prop_assert!(is_ours || carried.iter().any(|carried| carried == name) || own.iter().any(|pin| pin == name));
            prop_assert!(!(name.starts_with("__Host-") && line.contains("Domain=")), "{}", line);
            prop_assert!(is_ours || line.contains("=; Path=/") && line.contains("; Max-Age=0"), "{}", line);
        }
        let marker = added.iter().filter_map(|line| line.strip_prefix("unstick-pins=")).map(|line| line.split(';').next().unwrap_or_default());
        let marker: Vec<_> = marker.collect();
        prop_assert!(marker.len() <= 1 && marker.iter().all(|value| value.is_empty() || Marker::parse(value.as_bytes()).is_some()));
        let may_mark = run || !markers.is_empty() || !plan.told.is_empty();
        prop_assert!(marker.is_empty() || may_mark, "{:?}", added);
    }
}
