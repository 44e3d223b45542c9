//! A store in the process is read at hand, without a future; any other is awaited. Nothing that a handler, a client or an observer
//! can see may tell which: the same histories on both, compared step by step.

mod side;

use std::time::Duration;

use proptest::prelude::*;

use self::side::{Act, Side, Step};

const SECOND: Duration = Duration::from_secs(1);

/// Plays the history on both sides; what was seen on both.
async fn seen(history: &[Step]) -> Vec<String> {
    let (at_hand, awaited) = (Side::at_hand(), Side::awaited());
    let mut seen = Vec::new();
    for step in history {
        let one = at_hand.play(step).await;
        let other = awaited.play(step).await;
        assert_eq!(one, other, "at hand and awaited, at {step:?} after {seen:#?}");
        seen.push(one);
    }
    seen
}

fn request(cookie: Option<usize>, acts: &[Act]) -> Step {
    Step::Request { cookie, acts: acts.to_vec() }
}

/// Every status that a store in the process can lead to, by the shortest history: what the random ones meet is chance.
#[tokio::test]
async fn every_status_is_the_same() {
    use Act::{End, Get, Insert, Promote, RenewId};
    let told = seen(&[
        request(None, &[Get(0), Insert(0), Insert(1)]), // gives cookie 0
        request(Some(0), &[Get(0), Get(2), Act::Keys, Act::Principal]),
        request(Some(0), &[RenewId]), // gives cookie 1
        request(Some(0), &[Get(0)]),
        Step::Pass(side::GRACE),
        request(Some(0), &[Get(0)]),
        request(Some(1), &[Promote(0)]), // gives cookie 2
        request(Some(1), &[Get(0), Insert(1)]),
        request(Some(2), &[Act::Principal, Get(0)]),
        Step::Pass(side::IDLE / 2),
        request(Some(2), &[Get(0)]), // renewed: cookie 3
        request(Some(3), &[Get(1), End, Get(1)]),
        request(Some(3), &[Get(0)]),
        Step::Forged,
        request(None, &[Insert(0)]), // gives cookie 4
        Step::VanishAll,
        request(Some(4), &[Get(0)]),
        request(None, &[Insert(0)]), // gives cookie 5
        Step::Pass(side::IDLE),
        request(Some(5), &[Get(0)]),
    ])
    .await;
    let statuses = [
        "new",
        "live",
        "unloaded",
        "live",
        "",
        "superseded",
        "unloaded",
        "superseded",
        "live",
        "",
        "live",
        "live",
        "ended",
        "forged",
        "new",
        "",
        "lost",
        "new",
        "",
        "expired",
    ];
    let first: Vec<&str> = told.iter().map(|told| told.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(first, statuses, "{told:#?}");
    assert!(told[10].contains("set"), "a due renewal is not read at hand: {}", told[10]);
}

fn act() -> impl Strategy<Value = Act> {
    let key = 0_usize..3;
    prop_oneof![
        6 => key.clone().prop_map(Act::Get),
        3 => key.clone().prop_map(Act::Insert),
        1 => key.clone().prop_map(Act::Remove),
        2 => key.clone().prop_map(Act::Update),
        1 => (key.clone(), key).prop_map(|(one, other)| Act::Both(one, other)),
        1 => (0_usize..2).prop_map(Act::Promote),
        1 => prop_oneof![Just(Act::Clear), Just(Act::RenewId), Just(Act::End), Just(Act::Save)],
        1 => prop_oneof![Just(Act::Keys), Just(Act::Principal), Just(Act::Load)],
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Some while ago, or the newest: the cookies are counted in the order in which they were given.
    let cookie = prop_oneof![1 => Just(None), 6 => (0_usize..4).prop_map(Some), 2 => (0_usize..100).prop_map(Some)];
    let pass = prop::sample::select(vec![SECOND, side::GRACE - SECOND, side::GRACE, side::IDLE / 2, side::IDLE - SECOND, side::IDLE]);
    prop_oneof![
        12 => (cookie, prop::collection::vec(act(), 0..6)).prop_map(|(cookie, acts)| Step::Request { cookie, acts }),
        3 => pass.prop_map(Step::Pass),
        1 => prop_oneof![Just(Step::Forged), Just(Step::Sweep), Just(Step::VanishAll)],
        1 => (0_usize..2).prop_map(Step::EndAllOf),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_tells_how_a_session_was_read(history in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(seen(&history));
    }
}
