//! Requests of one client that overlap at random: no order loses a mark.

use std::collections::{BTreeMap, BTreeSet};

use http::header::SET_COOKIE;
use unstick_core::HeaderBudget;
use unstick_testkit::client::Jar;

use super::*;

const STEPS: usize = 60;

/// Small random numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// What the client must not lose: what was written in responses that it has received, and when.
#[derive(Default)]
struct Owed(BTreeMap<(u64, u64), Timestamp>);

/// Returns how many slots were taken away, and how many checks a bypass answered.
async fn schedule(seed: u64, limits: (usize, usize), is_tight: bool) -> (usize, usize) {
    let mut dice = Dice(seed);
    let (clock, mut jar) = (clock(), Jar::new());
    let node =
        |origin| Node::with(origin, Runtime::custom(clock.clone()), ring(), |builder| builder.max_bytes(limits.0).max_slots(limits.1));
    let nodes = [node(1), node(2), node(3)];
    let reader = node(4);
    let mut flying: Vec<(Answer, Vec<(u64, u64)>)> = Vec::new();
    let (mut owed, mut removed, mut by_bypass) = (Owed::default(), 0, 0);
    for _ in 0..STEPS {
        match dice.below(10) {
            0..4 => {
                let at = &nodes[usize::try_from(dice.below(3)).unwrap()];
                let writes = dice.below(3);
                let before = at.number.load(Ordering::Relaxed);
                let budget = if is_tight { [3072, 900, 500, 100][usize::try_from(dice.below(4)).unwrap()] } else { 3072 }.to_string();
                let prints = (1 + dice.below(6)).to_string();
                let headers = [("x-writes", writes.to_string()), ("x-prints", prints), ("x-budget", budget)];
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let answer = at.send(request(&jar, &headers)).await;
                let written = (before + 1..=before + writes).map(|number| (at.origin, number)).collect();
                flying.push((answer, written));
            }
            4..9 if !flying.is_empty() => {
                let index = usize::try_from(dice.below(flying.len() as u64)).unwrap();
                let (answer, written) = flying.swap_remove(index);
                assert_eq!(jar.receive(&uri(), answer.headers()), []);
                removed += answer.headers().get_all(SET_COOKIE).iter().filter(|line| line.to_str().unwrap().contains("Max-Age=0")).count();
                // carried from the moment of the response, which is not later than now
                owed.0.extend(written.into_iter().map(|id| (id, clock.now())));
            }
            _ => clock.advance(Duration::from_secs(dice.below(8))),
        }
        // an answer may be on its way for a while: only what is certainly in time is owed
        let since = clock.now() - Duration::from_secs(15);
        reader.applied();
        let answer = reader.send(request(&jar, &[])).await;
        let applied: BTreeSet<_> = reader.applied().iter().map(|mark| (mark.id.origin, mark.id.number)).collect();
        if bypassed(&answer) {
            by_bypass += 1;
        } else {
            let lost: Vec<_> = owed.0.iter().filter(|(id, at)| **at >= since && !applied.contains(id)).collect();
            assert!(lost.is_empty(), "seed {seed}, limits {limits:?}: {lost:?}");
        }
    }
    (removed, by_bypass)
}

#[tokio::test]
async fn no_schedule_loses_a_mark() {
    for (limits, is_tight) in [((1024, 16), false), ((1024, 16), true), ((256, 6), false), ((2048, 4), true)] {
        let (mut removed, mut by_bypass) = (0, 0);
        for seed in 0..60 {
            let (merged, bypassed) = schedule(seed, limits, is_tight).await;
            removed += merged;
            by_bypass += bypassed;
        }
        assert!(removed > 100, "slots were merged: {removed}");
        assert!(by_bypass < 60 * STEPS * 9 / 10, "marks answered, too: {by_bypass} of {} with {limits:?} {is_tight}", 60 * STEPS);
        assert!(is_tight || limits.0 < 1024 || by_bypass < 60 * STEPS / 4, "mostly: {by_bypass} of {} with {limits:?}", 60 * STEPS);
    }
}

#[tokio::test]
async fn a_response_takes_away_only_what_its_own_slot_contains() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let sent = request(&jar, WRITE);
    for _ in 0..5 {
        let answer = a.send(sent.clone()).await;
        jar.receive(&uri(), answer.headers());
    }
    // room for the merged slot and one removal
    let sizes = HeaderBudget::line("cache-control".len(), "private, no-store".len()) + HeaderBudget::line("vary".len(), "cookie".len());
    for extra in (0..900).step_by(30) {
        let answer = a.send(request(&jar, &[("x-writes", "1"), ("x-budget", &(sizes + extra).to_string())])).await;
        let lines: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect();
        let removed: Vec<_> = lines.iter().filter(|line| line.contains("Max-Age=0")).collect();
        assert_eq!(lines.len(), removed.len() + 1);
        let mut alone = Jar::new();
        alone.set(&uri(), lines.iter().find(|line| !line.contains("Max-Age=0")).unwrap()).unwrap();
        let is_bypass = bypassed(&b.call(&mut alone, &[]).await);
        let contained = b.applied().len();
        assert!(is_bypass || removed.len() < contained, "{extra}: {} removed, {contained} contained", removed.len());
    }
}

#[tokio::test]
async fn merging_keeps_the_time_of_issue() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    for _ in 0..30 {
        a.call(&mut jar, WRITE).await;
        clock.advance(Duration::from_millis(9_900));
    }
    b.call(&mut jar, &[]).await;
    // by the reader's clock, with the tolerated skew: 12 times 9.9 s are within 120 s
    assert_eq!(b.numbers(), (19..=30).collect::<Vec<_>>());
    assert!(jar.len() <= 3);
}

#[tokio::test]
async fn what_a_node_merges_whose_clock_is_ahead_is_carried_for_no_less() {
    for ahead in [0, 30, 60] {
        let (clock, mut jar) = (clock(), Jar::new());
        let (a, b) = (Node::new(1, &clock), Node::ahead(2, &clock, Duration::from_secs(ahead)));
        let sent = request(&jar, WRITE);
        for _ in 0..8 {
            jar.receive(&uri(), a.send(sent.clone()).await.headers());
        }
        let merged = b.call(&mut jar, &[]).await;
        let lines = merged.headers().get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        let kept: Vec<_> = lines.filter(|line| !line.contains("Max-Age=0")).collect();
        assert!(kept.len() == 1 && kept[0].ends_with("Max-Age=60"), "{ahead} s ahead: {kept:?}");
    }
}

#[tokio::test]
async fn a_client_that_keeps_writing_carries_a_bounded_amount() {
    let (clock, mut jar) = (clock(), Jar::new());
    let a = Node::new(1, &clock);
    let mut bypasses = 0;
    for _ in 0..200 {
        let answer = a.call(&mut jar, &[("x-writes", "1"), ("x-prints", "20")]).await;
        bypasses += usize::from(bypassed(&answer));
        let carried = jar.header(&uri()).unwrap().len();
        assert!(carried < 2800 && jar.len() <= 16, "{carried} bytes in {} slots", jar.len());
    }
    assert!(bypasses > 100);
}
