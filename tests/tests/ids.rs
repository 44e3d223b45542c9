//! Renewed and promoted ids: grace, fixation, and overlapping answers delivered in either order.

use std::time::Duration;

use futures_util::future::join_all;
use unstick_core::{EventKind, Lifetimes};
use unstick_stories::{Answer, Backend, Client, Cluster, Options, on_every};

const GRACE: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(600);

async fn cluster(backend: Backend) -> Cluster {
    let lifetimes = Lifetimes::new().idle(IDLE).absolute(Duration::from_secs(7200)).grace(GRACE);
    Cluster::with(backend, Options { lifetimes, ..Options::default() }).await
}

async fn logged_in(cluster: &Cluster) -> Client {
    let mut client = cluster.client();
    client.get(0, "/set?cart=full").await;
    client.get(1, "/login?user=ann").await;
    client
}

async fn twenty_requests_on_an_id_being_renewed(backend: Backend) {
    let cluster = cluster(backend).await;
    let mut client = logged_in(&cluster).await;
    let old = client.clone();
    let others: Vec<_> = (0..20).map(|at| tokio::spawn(client.send(at, &format!("/slow?gate=g&read=1&k=k{at}&v=1")))).collect();
    for _ in 0..20 {
        cluster.app.gate("g").arrived().await;
    }
    let renewed = client.get(0, "/renew").await;
    assert_eq!(renewed.set_cookies().len(), 1);
    // Others that ask for a renewal too, with the old id: served, but not given the new one.
    let again = join_all((0..4).map(|at| old.send(at, "/renew"))).await;
    cluster.app.gate("g").open(20);
    for answer in join_all(others).await {
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (200, 0), "{}", answer.body);
    }
    assert!(
        again.iter().all(|answer| answer.status == 200 && answer.set_cookies().is_empty()),
        "a grace hit never receives the new credential"
    );
    let keys = client.get(1, "/status").await.body;
    assert!((0..20).all(|at| keys.contains(&format!("k{at}"))), "{keys}");
    cluster.clock.advance(GRACE);
    assert_eq!(old.send(0, "/status").await.body, "superseded - ");
    assert_eq!(cluster.log.count(EventKind::SessionSuperseded), 1, "reported");
    assert!(client.get(0, "/status").await.body.starts_with("live ann"));
}

async fn the_old_id_dies_with_the_session(backend: Backend) {
    let cluster = cluster(backend).await;
    let mut client = logged_in(&cluster).await;
    let old = client.clone();
    client.get(0, "/renew").await;
    assert!(old.send(1, "/status").await.body.starts_with("live"), "in its grace");
    assert_eq!(old.send(1, "/login?user=eve").await.status, 503, "but it cannot log anybody in");
    client.get(0, "/logout").await;
    assert_eq!(old.send(1, "/status").await.body, "ended - ");
}

async fn a_planted_cookie_is_worthless_after_the_login(backend: Backend) {
    let cluster = cluster(backend).await;
    let mut attacker = cluster.client();
    attacker.get(0, "/set?planted=1").await;
    let mut victim = attacker.clone();
    victim.get(1, "/login?user=ann").await;
    assert!(victim.get(0, "/status").await.body.starts_with("live ann"));
    for node in 0..2 {
        assert_eq!(attacker.send(node, "/status").await.body, "superseded - ");
    }
    cluster.clock.advance(Duration::from_secs(1));
    assert_eq!(attacker.send(0, "/set?mine=1").await.status, 503, "for all we know, on its way when the victim logged in");
    cluster.clock.advance(GRACE);
    let started_over = attacker.get(0, "/set?mine=1").await;
    assert_eq!((started_over.status.as_u16(), started_over.set_cookies().len()), (200, 1), "a stranger with a new session");
    assert_eq!(attacker.get(1, "/status").await.body, "live - mine");
    assert!(victim.get(1, "/status").await.body.starts_with("live ann planted"));
}

/// Two idle renewals and a new id, all overlapping, delivered in every order.
async fn three_answers_in_any_order(backend: Backend) {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let cluster = cluster(backend).await;
        let mut client = logged_in(&cluster).await;
        cluster.clock.advance(IDLE / 2);
        let mut answers = Vec::new();
        for path in ["/get?k=cart", "/none", "/renew"] {
            answers.push(client.send(answers.len(), path).await);
            cluster.clock.advance(Duration::from_millis(5));
        }
        assert!(answers.iter().all(|answer| answer.set_cookies().len() == 1));
        order.iter().for_each(|at| client.keep(&answers[*at]));
        cluster.clock.advance(GRACE + Duration::from_secs(1));
        for node in 0..2 {
            let told = client.get(node, "/status").await.body;
            assert!(told.starts_with("live ann"), "{order:?}, on node {node} after the grace: {told}");
        }
    }
}

/// Delivers two overlapping answers in both orders.
async fn in_both_orders(cluster: &Cluster, before: &Client, first: &Answer, second: &Answer, what: &str) {
    for (order, answers) in [("as sent", [first, second]), ("swapped", [second, first])] {
        let mut client = before.clone();
        for answer in answers {
            client.keep(answer);
        }
        let told = client.get(0, "/status").await.body;
        assert!(told.starts_with("live ann"), "{what}, {order}: {told}");
        cluster.clock.advance(GRACE + Duration::from_secs(1));
        let told = client.get(1, "/status").await.body;
        assert!(told.starts_with("live ann"), "{what}, {order}, after the grace: {told}");
        let told = client.get(0, "/status").await.body;
        assert!(told.starts_with("live ann"), "{what}, {order}, with what it was given then: {told}");
    }
}

async fn a_renewal_and_a_new_id_in_either_order(backend: Backend) {
    let cluster = cluster(backend).await;
    let client = logged_in(&cluster).await;
    cluster.clock.advance(IDLE / 2); // the idle renewal is due
    let renewal = client.send(0, "/get?k=cart").await;
    let new_id = client.send(1, "/renew").await;
    assert_eq!((renewal.set_cookies().len(), new_id.set_cookies().len()), (1, 1));
    in_both_orders(&cluster, &client, &renewal, &new_id, "renewal before renew_id").await;
}

async fn a_new_id_and_then_a_renewal(backend: Backend) {
    let cluster = cluster(backend).await;
    let client = logged_in(&cluster).await;
    cluster.clock.advance(IDLE / 2);
    let new_id = client.send(1, "/renew").await;
    let renewal = client.send(0, "/get?k=cart").await;
    assert_eq!((new_id.set_cookies().len(), renewal.set_cookies().len()), (1, 0), "an id in its grace is not renewed");
    in_both_orders(&cluster, &client, &new_id, &renewal, "renew_id before renewal").await;
}

async fn two_renewals(backend: Backend) {
    let cluster = cluster(backend).await;
    let client = logged_in(&cluster).await;
    cluster.clock.advance(IDLE / 2);
    let first = client.send(0, "/get?k=cart").await;
    let second = client.send(1, "/none").await;
    assert_eq!((first.set_cookies().len(), second.set_cookies().len()), (1, 1));
    in_both_orders(&cluster, &client, &first, &second, "two renewals").await;
}

/// The page's other requests, sent before the answer to a login was received, and served after it.
async fn requests_just_behind_a_login(backend: Backend) {
    let cluster = cluster(backend).await;
    for path in ["/set?b=1", "/slow?read=1&k=b&v=1", "/slow?read=1&k=b&v=1&save=1", "/count", "/logout", "/get?k=cart", "/none"] {
        let mut client = cluster.client();
        client.get(0, "/set?cart=full").await;
        let before = client.clone();
        client.get(0, "/login?user=ann").await;
        cluster.clock.advance(Duration::from_millis(5));
        let refused = cluster.log.count(EventKind::ChangeRefused);
        let late = before.send(1, path).await;
        let is_change = !matches!(path, "/get?k=cart" | "/none");
        assert_eq!((late.status.as_u16(), late.set_cookies().len()), (if is_change { 503 } else { 200 }, 0), "{path}");
        let reported = cluster.log.count(EventKind::ChangeRefused) - refused;
        assert_eq!(reported > 0, is_change, "{path}");
        client.keep(&late);
        assert_eq!(client.get(1, "/status").await.body, "live ann cart", "behind {path}");
        let mut again = before.clone();
        assert_eq!(again.get(1, "/login?user=ann").await.status, 200, "a client whose login's answer got lost can log in");
        assert_eq!(again.get(0, "/status").await.body, "live ann ", "as a new session");
    }
}

on_every! {
    twenty_requests_on_an_id_being_renewed;
    the_old_id_dies_with_the_session;
    a_planted_cookie_is_worthless_after_the_login;
    a_renewal_and_a_new_id_in_either_order;
    a_new_id_and_then_a_renewal;
    two_renewals;
    three_answers_in_any_order;
    requests_just_behind_a_login;
}
