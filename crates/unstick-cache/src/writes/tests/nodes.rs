use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use unstick_core::{AffinityRan, EventKind, HeaderBudget, KeyRing, Runtime};
use unstick_testkit::client::Jar;

use super::*;

#[tokio::test]
async fn a_write_is_applied_elsewhere_before_the_handler_and_the_response_is_private() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let answer = a.call(&mut jar, WRITE).await;
    let line = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(line.starts_with("__Host-us-w-"), "{line}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=60"] {
        assert!(line.split("; ").any(|part| part == attribute), "{attribute} in {line}");
    }
    assert_eq!(answer.headers()[CACHE_CONTROL], "private, no-store");
    assert_eq!(answer.headers()[VARY], "cookie");

    for _ in 0..2 {
        let answer = b.call(&mut jar, &[]).await;
        assert!(answer.headers().is_empty(), "a reading response is left as it is: {:?}", answer.headers());
        let applied = b.applied();
        assert_eq!(applied.len(), 1);
        assert_eq!(applied[0].id, MarkId { origin: 1, number: 1 });
        assert_eq!(*applied[0].prints, [Print::Key(1 << 32 | 1 << 16)]);
    }
}

#[tokio::test]
async fn without_slots_nothing_is_added() {
    let node = Node::new(1, &clock());
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_static("theme=dark; __Host-id=us-w-1"));
    let answer = node.send(headers).await;
    assert!(answer.headers().is_empty() && answer.extensions().is_empty());
    assert_eq!(node.applied(), []);
    assert_eq!(node.log.all(), []);
}

#[tokio::test]
async fn server_errors_tell_of_writes_too() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let answer = a.call(&mut jar, &[("x-writes", "1"), ("x-status", "500")]).await;
    assert_eq!(answer.status(), 500);
    b.call(&mut jar, &[]).await;
    assert_eq!(b.numbers(), [1]);
}

#[tokio::test]
async fn overlapping_responses_keep_each_others_marks_in_either_order() {
    for first in 0..2 {
        let (clock, mut jar) = (clock(), Jar::new());
        let (a, b, c) = (Node::new(1, &clock), Node::new(2, &clock), Node::new(3, &clock));
        // two slots to be merged by both
        let before = [a.send(request(&jar, WRITE)).await, a.send(request(&jar, WRITE)).await];
        before.iter().for_each(|answer| assert_eq!(jar.receive(&uri(), answer.headers()), []));
        let sent = request(&jar, WRITE);
        let overlapping = [a.send(sent.clone()).await, b.send(sent).await];
        for index in [first, 1 - first] {
            assert_eq!(jar.receive(&uri(), overlapping[index].headers()), []);
        }
        assert_eq!(jar.len(), 2, "both have merged");
        c.call(&mut jar, &[]).await;
        let mut ids: Vec<_> = c.applied().iter().map(|mark| (mark.id.origin, mark.id.number)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids, [(1, 1), (1, 2), (1, 3), (2, 1)]);
    }
}

#[tokio::test]
async fn keys_rotate_without_losing_marks() {
    let (clock, mut jar) = (clock(), Jar::new());
    let runtime = || Runtime::custom(clock.clone());
    let old = Node::with(1, runtime(), KeyRing::new(key(1)).next(key(2)), |builder| builder);
    let new = Node::with(2, runtime(), KeyRing::new(key(2)).previous(key(1)), |builder| builder);
    old.call(&mut jar, WRITE).await;
    new.call(&mut jar, WRITE).await;
    for node in [&old, &new] {
        node.applied();
        node.call(&mut jar, &[]).await;
        assert_eq!(node.applied().len(), 2);
    }
    let after = Node::with(3, runtime(), KeyRing::new(key(2)), |builder| builder);
    after.call(&mut jar, &[]).await;
    assert_eq!(after.applied().len(), 1);
    assert_eq!(after.log.count(EventKind::CacheWritesForged), 1);
}

#[tokio::test]
async fn clocks_may_differ_by_a_minute_either_way() {
    for (issuer, reader) in [(0, 60), (60, 0)] {
        let (clock, mut jar) = (clock(), Jar::new());
        let seconds = Duration::from_secs;
        let (a, b) = (Node::ahead(1, &clock, seconds(issuer)), Node::ahead(2, &clock, seconds(reader)));
        a.call(&mut jar, WRITE).await;
        b.call(&mut jar, &[]).await;
        assert_eq!(b.numbers(), [1], "at once");
        clock.advance(seconds(60));
        b.call(&mut jar, &[]).await;
        assert_eq!(b.numbers(), [1], "at the age limit, which is the longest that it is needed");
        clock.advance(seconds(121));
        let answer = b.call(&mut jar, &[]).await;
        assert_eq!(b.numbers(), [] as [u64; 0], "past limit and skew");
        assert!(!bypassed(&answer));
        assert!(jar.is_empty(), "and it is taken away");
    }
}

#[tokio::test]
async fn marks_from_the_future_are_not_applied_but_make_their_client_bypass() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::ahead(1, &clock, Duration::from_secs(62)), Node::new(2, &clock));
    a.call(&mut jar, WRITE).await;
    let answer = b.call(&mut jar, &[]).await;
    assert_eq!(b.applied(), []);
    assert!(bypassed(&answer));
    assert_eq!(b.log.count(EventKind::ClockSkew), 1);
}

#[tokio::test]
async fn what_the_level_has_not_confirmed_lives_as_long_as_the_level_keeps_values() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let answer = a.call(&mut jar, &[("x-writes", "1"), ("x-pending", "1")]).await;
    assert!(answer.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=601"));
    clock.advance(Duration::from_secs(599));
    b.call(&mut jar, &[]).await;
    assert!(b.applied()[0].level_pending);
    // a node that has started a moment ago takes the issuer's word, also when it merges
    let fresh = Node::new(3, &clock);
    fresh.site.is_fresh.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        fresh.call(&mut jar, WRITE).await;
        assert_eq!(fresh.applied().iter().filter(|mark| mark.level_pending).count(), 1);
    }
    assert_eq!(jar.len(), 1, "merged");
    fresh.applied();
    fresh.call(&mut jar, &[]).await;
    assert_eq!(fresh.applied().iter().filter(|mark| mark.level_pending).count(), 1);
    clock.advance(Duration::from_secs(63));
    b.call(&mut jar, &[]).await;
    assert!(b.applied().iter().all(|mark| !mark.level_pending));
}

#[tokio::test]
async fn too_many_prints_become_a_bypass_until_the_age_limit() {
    for (writes, prints) in [("1", "100"), ("40", "2"), ("300", "1"), ("1", "5000")] {
        let (clock, mut jar) = (clock(), Jar::new());
        let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
        let answer = a.call(&mut jar, &[("x-writes", writes), ("x-prints", prints)]).await;
        assert!(answer.headers()[SET_COOKIE].len() < 170);
        assert!(bypassed(&b.call(&mut jar, &[]).await));
        assert!(!bypassed(&b.send(HeaderMap::new()).await), "that client alone");
        clock.advance(Duration::from_secs(121));
        assert!(!bypassed(&b.call(&mut jar, &[]).await));
        assert_eq!(b.applied(), []);
    }
}

#[tokio::test]
async fn the_header_budget_is_kept_and_a_bypass_is_sent_in_any_case() {
    let clock = clock();
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let overhead = HeaderBudget::line("cache-control".len(), "private, no-store".len()) + HeaderBudget::line("vary".len(), "cookie".len());
    let mut bypasses = Vec::new();
    for left in (0..1200_usize).step_by(20) {
        let mut jar = Jar::new();
        let answer = a.call(&mut jar, &[("x-writes", "1"), ("x-prints", "60"), ("x-budget", &left.to_string())]).await;
        let line = HeaderBudget::line("set-cookie".len(), answer.headers()[SET_COOKIE].len());
        let after = answer.extensions().get::<HeaderBudget>().unwrap().left();
        let is_bypass = bypassed(&b.call(&mut jar, &[]).await);
        assert!(is_bypass || line + overhead + after <= left, "{left}: {line} and {after}");
        assert_eq!(b.applied().len(), usize::from(!is_bypass));
        assert!(if is_bypass { line < 200 } else { line > 700 }, "{left}");
        bypasses.push(is_bypass);
    }
    assert!(bypasses.is_sorted_by(|a, b| a >= b), "the smaller form below some size, and only there");
    assert!(bypasses[0] && !bypasses[bypasses.len() - 1]);
}

#[tokio::test]
async fn crumbs_of_http_2_are_read() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    a.call(&mut jar, WRITE).await;
    a.call(&mut jar, WRITE).await;
    let mut headers = HeaderMap::new();
    for crumb in jar.header(&uri()).unwrap().to_str().unwrap().split("; ").chain(["a=b", "\"; x", "=", "__Host-us-w"]) {
        headers.append(COOKIE, crumb.parse().unwrap());
    }
    b.send(headers).await;
    assert_eq!(b.numbers(), [1, 2]);
}

#[tokio::test]
async fn an_affinity_layer_inside_is_reported() {
    let node = Node::new(1, &clock());
    let handler = service_fn(|_: Request<()>| async {
        ClientWrites::record_current(Mark {
            id: MarkId { origin: 1, number: 1 },
            prints: [Print::All].into(),
            level_pending: false,
            bus_pending: false,
        });
        let mut response = Response::new(Full::new(Bytes::new()));
        response.extensions_mut().insert(AffinityRan);
        Ok::<_, Infallible>(response)
    });
    node.layer.layer(handler).oneshot(Request::new(())).await.unwrap();
    assert_eq!(node.log.count(EventKind::LayerOrder), 1);
}
