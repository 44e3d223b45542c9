use http::header::{COOKIE, SET_COOKIE};
use unstick_core::EventKind;
use unstick_testkit::client::Jar;

use super::*;

fn cookies(pairs: impl IntoIterator<Item = String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, pairs.into_iter().collect::<Vec<_>>().join("; ").parse().unwrap());
    headers
}

/// A client's cookie as `name=value`.
async fn authentic(node: &Node) -> String {
    let answer = node.send(request(&Jar::new(), WRITE)).await;
    answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn thousands_of_forged_slots_cost_sixteen_macs_and_their_senders_hits() {
    let clock = clock();
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let pair = authentic(&a).await;
    let (_, text) = pair.split_once('=').unwrap();
    let answer = b.send(cookies((0..5000).map(|number| format!("__Host-us-w-{number:016x}-0={text}")))).await;
    assert_eq!(b.applied(), []);
    assert_eq!(b.log.count(EventKind::CacheWritesForged), 16);
    assert!(bypassed(&answer));
    assert!(!answer.headers().contains_key(SET_COOKIE), "nothing of theirs is sent back");
}

#[tokio::test]
async fn malformed_and_foreign_slots_are_ignored() {
    let clock = clock();
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let good = authentic(&a).await;
    let long = format!("__Host-us-w-1={}", "A".repeat(100_000));
    let bad = ["__Host-us-w-", "__Host-us-w-=", "__Host-us-w-1-1=%41", "__Host-us-w-1=\"\"", "__Host-us-w-\u{e9}=AAAA", &long];
    for bad in bad {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_bytes(format!("{bad}; {good}").as_bytes()).unwrap());
        let answer = b.send(headers).await;
        assert_eq!(b.numbers(), [1], "{}", bad.len());
        assert!(answer.headers().is_empty());
    }
    let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_bytes(b"__Host-us-w-\xff=\xfe\x80").unwrap())]);
    assert!(b.send(headers).await.headers().is_empty());
}

#[tokio::test]
async fn a_cookie_of_an_application_with_other_keys_is_not_ours() {
    let clock = clock();
    let theirs = Node::with(1, Runtime::custom(clock.clone()), KeyRing::new(key(9)), |builder| builder);
    let ours = Node::new(2, &clock);
    let answer = ours.send(cookies([authentic(&theirs).await])).await;
    assert_eq!(ours.applied(), []);
    assert!(!bypassed(&answer) && answer.headers().is_empty());
    assert_eq!(ours.log.all()[0].detail, "unknown key");
}

#[tokio::test]
async fn cookies_and_headers_are_signed_apart() {
    let clock = clock();
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let pair = authentic(&a).await;
    let as_header = pair.strip_prefix("__Host-us-w-").unwrap();
    b.send(HeaderMap::from_iter([("unstick-writes".parse().unwrap(), as_header.parse().unwrap())])).await;
    assert_eq!(b.applied(), []);
    assert_eq!(b.log.count(EventKind::CacheWritesForged), 1);
}

#[tokio::test]
async fn more_slots_than_are_looked_at_bypass_and_lose_nothing() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let sent = request(&jar, WRITE);
    for _ in 0..20 {
        let answer = a.send(sent.clone()).await;
        assert_eq!(jar.receive(&uri(), answer.headers()), []);
    }
    assert_eq!(jar.len(), 20);
    let answer = b.call(&mut jar, &[]).await;
    assert!(bypassed(&answer));
    assert_eq!(b.applied().len(), 16);
    // also a reading response merges so many
    assert!(jar.len() < 16, "{}", jar.len());
    let answer = b.call(&mut jar, &[]).await;
    assert!(!bypassed(&answer));
    assert_eq!(b.numbers(), (1..=20).collect::<Vec<_>>());
}
