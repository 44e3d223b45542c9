//! Nobody is logged out, carts are kept, and logout holds, through all releases, on two nodes.

use std::{
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    time::Duration,
};

use axum::{Router, body::Body, response::Response};
use example_from_tower_sessions::{
    bridge::{self, Bridge},
    moving::{Moving, Step},
    new, old,
};
use http::{Request, StatusCode};
use tower_sessions::SessionStore;
use unstick::{
    Key, KeyRing, Lifetimes,
    core::ErrorKind,
    memory::MemoryStore,
    session::{SessionLayer, Sessions},
};
use unstick_testkit::{
    client::{Jar, call},
    faults::{Fault, FaultStore, Op},
};

type New = FaultStore<MemoryStore>;

/// The stores, and nodes of any release over them.
struct Fleet {
    old: tower_sessions::MemoryStore,
    new: New,
    keys: KeyRing,
    turn: AtomicUsize,
}

const LIFETIMES: Lifetimes = Lifetimes::new().idle(Duration::from_secs(14 * 24 * 3600));

impl Fleet {
    fn start() -> Self {
        let keys = KeyRing::new(Key::generate().unwrap());
        Self { old: tower_sessions::MemoryStore::default(), new: FaultStore::new(MemoryStore::new()), keys, turn: AtomicUsize::new(0) }
    }

    fn layer(&self) -> SessionLayer {
        SessionLayer::new(self.new.clone(), self.keys.clone()).lifetimes(LIFETIMES).build().unwrap()
    }

    fn sessions(&self) -> Sessions {
        self.layer().sessions()
    }

    fn on_old(&self) -> Router {
        old::app(self.old.clone())
    }

    fn on_bridge(&self, step: Step) -> Router {
        let moving = Moving { step, old: self.old.clone(), new: self.new.clone(), lifetimes: LIFETIMES };
        let sealer = self.keys.for_purpose("cookie:__Host-id");
        bridge::app(Bridge { old: self.on_old(), new: self.on_new(), moving, sealer })
    }

    fn on_new(&self) -> Router {
        new::app(self.layer())
    }

    /// The nodes take turns, as behind a balancer without stickiness.
    async fn ask(&self, nodes: &[Router], jar: &mut Jar, request: &str) -> String {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        ask(&nodes[turn % nodes.len()], jar, request).await
    }
}

async fn send(node: &Router, jar: &mut Jar, request: &str) -> Response {
    let (method, path) = request.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(format!("https://shop.example{path}")).body(Body::empty()).unwrap();
    call(jar, node.clone(), request).await.unwrap()
}

async fn ask(node: &Router, jar: &mut Jar, request: &str) -> String {
    let response = send(node, jar, request).await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
    if status == StatusCode::OK { String::from_utf8(body.to_vec()).unwrap().trim().to_owned() } else { status.to_string() }
}

/// Logged in, with two things in the cart, on the old release.
async fn customer(fleet: &Fleet, name: &str) -> Jar {
    let (nodes, mut jar) = ([fleet.on_old(), fleet.on_old()], Jar::new());
    fleet.ask(&nodes, &mut jar, "POST /cart").await;
    fleet.ask(&nodes, &mut jar, &format!("POST /login/{name}")).await;
    assert_eq!(fleet.ask(&nodes, &mut jar, "POST /cart").await, format!("old: {name}, 2 in the cart"));
    jar
}

#[tokio::test]
async fn nobody_is_logged_out_and_carts_are_kept_while_every_release_is_rolled_out() {
    let fleet = Fleet::start();
    let (mut ann, mut guest) = (customer(&fleet, "ann").await, Jar::new());
    assert_eq!(ask(&fleet.on_old(), &mut guest, "POST /cart").await, "old: nobody, 1 in the cart");

    // Every pair that a rolling deployment has side by side, each node asked by each client.
    let rollouts = [
        ("old", [fleet.on_old(), fleet.on_bridge(Step::PreferOld)]),
        ("old", [fleet.on_bridge(Step::PreferOld), fleet.on_bridge(Step::PreferOld)]),
        ("new", [fleet.on_bridge(Step::Move), fleet.on_bridge(Step::PreferOld)]),
        ("new", [fleet.on_bridge(Step::Move), fleet.on_bridge(Step::Move)]),
        ("new", [fleet.on_new(), fleet.on_bridge(Step::Move)]),
        ("new", [fleet.on_new(), fleet.on_new()]),
    ];
    let mut expected = 2;
    for (who, nodes) in &rollouts {
        for node in nodes {
            expected += 1;
            assert_eq!(ask(node, &mut ann, "POST /cart").await, format!("{who}: ann, {expected} in the cart"));
            assert_eq!(ask(node, &mut guest, "POST /cart").await, format!("{who}: nobody, {} in the cart", expected - 1));
        }
    }
    assert_eq!(fleet.new.inner().sessions(), 2, "one for each client");
    assert_eq!(fleet.layer().sessions().list("ann").await.unwrap().len(), 1, "the index by principal knows the moved one");
}

#[tokio::test]
async fn a_session_moves_once_although_two_requests_come_at_once_on_two_nodes() {
    for round in 0..32 {
        let fleet = Fleet::start();
        let jar = customer(&fleet, "ann").await;
        let nodes = [fleet.on_bridge(Step::Move), fleet.on_bridge(if round % 2 == 0 { Step::Move } else { Step::PreferOld })];
        if round % 2 == 1 {
            // A node of the first step beside one of the second: it finds what has moved, though the client has only the old cookie.
            ask(&nodes[0], &mut jar.clone(), "GET /cart").await;
        }
        let (mut one, mut two) = (jar.clone(), jar.clone());
        let barrier = Arc::new(tokio::sync::Barrier::new(2));
        let other = {
            let (barrier, node) = (barrier.clone(), nodes[1].clone());
            tokio::spawn(async move {
                barrier.wait().await;
                ask(&node, &mut two, "POST /cart").await;
                two
            })
        };
        barrier.wait().await;
        ask(&nodes[0], &mut one, "POST /cart").await;
        let mut two = other.await.unwrap();
        assert_eq!(fleet.new.inner().sessions(), 1);
        for jar in [&mut one, &mut two] {
            assert_eq!(ask(&nodes[0], jar, "GET /cart").await, "new: ann, 4 in the cart", "both changes count, whichever answer came last");
        }
    }
}

#[tokio::test]
async fn a_logout_holds_on_every_node_of_every_release_although_the_old_cookie_comes_back() {
    let fleet = Fleet::start();
    let mut ann = customer(&fleet, "ann").await;
    let mut copy = ann.clone();
    let nodes = [fleet.on_bridge(Step::Move), fleet.on_bridge(Step::PreferOld), fleet.on_old(), fleet.on_new()];
    assert_eq!(ask(&nodes[0], &mut ann, "GET /cart").await, "new: ann, 2 in the cart");
    assert_eq!(ask(&nodes[1], &mut ann, "POST /leave").await, "new: bye");
    assert!(ann.is_empty(), "both cookies are gone");
    for node in &nodes {
        let answer = ask(node, &mut copy, "GET /cart").await;
        assert!(answer.contains("nobody, 0 in the cart"), "{answer}");
    }
}

#[tokio::test]
async fn a_session_ended_by_administration_stays_ended_although_its_old_record_is_there() {
    let fleet = Fleet::start();
    let (ann, bob) = (customer(&fleet, "ann").await, customer(&fleet, "bob").await);
    let nodes = [fleet.on_bridge(Step::Move), fleet.on_bridge(Step::Move)];
    ask(&nodes[0], &mut ann.clone(), "GET /cart").await;
    assert_eq!(fleet.sessions().end_others("ann", None).await.unwrap(), 1);
    for node in &nodes {
        assert_eq!(ask(node, &mut ann.clone(), "GET /cart").await, "new: nobody, 0 in the cart");
        assert_eq!(ask(node, &mut bob.clone(), "GET /cart").await, "new: bob, 2 in the cart");
    }
}

#[tokio::test]
async fn a_logout_on_a_node_that_prefers_the_old_store_ends_what_moves_at_the_same_moment() {
    let fleet = Fleet::start();
    let ann = customer(&fleet, "ann").await;
    let (prefers, moves) = (fleet.on_bridge(Step::PreferOld), fleet.on_bridge(Step::Move));
    // The mover's copy is held back until the other node has answered the logout from the old store.
    fleet.new.next(Op::Create, Fault::ArriveLate);
    let mover = tokio::spawn({
        let (node, mut jar) = (moves.clone(), ann.clone());
        async move { ask(&node, &mut jar, "GET /cart").await }
    });
    fleet.new.until_held(1).await;
    assert_eq!(ask(&prefers, &mut ann.clone(), "POST /leave").await, "old: bye");
    fleet.new.release();
    assert_eq!(mover.await.unwrap(), "new: nobody, 0 in the cart");
    assert_eq!(ask(&moves, &mut ann.clone(), "GET /cart").await, "new: nobody, 0 in the cart");
}

#[tokio::test]
async fn going_back_during_the_bridge_logs_nobody_out() {
    let fleet = Fleet::start();
    let mut ann = customer(&fleet, "ann").await;
    assert_eq!(ask(&fleet.on_bridge(Step::Move), &mut ann, "POST /cart").await, "new: ann, 3 in the cart");
    assert_eq!(
        ask(&fleet.on_bridge(Step::PreferOld), &mut ann, "POST /cart").await,
        "new: ann, 4 in the cart",
        "a step back loses nothing"
    );
    assert_eq!(ask(&fleet.on_old(), &mut ann, "GET /cart").await, "old: ann, 2 in the cart", "the old release has her as she left it");
    assert_eq!(ask(&fleet.on_bridge(Step::Move), &mut ann, "GET /cart").await, "new: ann, 4 in the cart");
}

#[tokio::test]
async fn after_a_login_the_old_cookie_is_worthless() {
    let fleet = Fleet::start();
    let mut guest = Jar::new();
    ask(&fleet.on_old(), &mut guest, "POST /cart").await;
    let planted = guest.clone();
    let nodes = [fleet.on_bridge(Step::Move), fleet.on_bridge(Step::PreferOld)];
    assert_eq!(ask(&nodes[0], &mut guest, "POST /login/ann").await, "new: ann, 1 in the cart");
    for node in &nodes {
        let answer = ask(node, &mut planted.clone(), "GET /cart").await;
        assert!(answer.contains("nobody, 0 in the cart"), "{answer}");
    }
    assert_eq!(ask(&nodes[1], &mut guest, "GET /cart").await, "new: ann, 1 in the cart");
}

#[tokio::test]
async fn a_request_just_behind_a_login_does_not_take_its_place() {
    let fleet = Fleet::start();
    let mut guest = Jar::new();
    ask(&fleet.on_old(), &mut guest, "POST /cart").await;
    // Sent before any answer of the bridge arrived: it has the old cookie alone.
    let late = guest.clone();
    let nodes = [fleet.on_bridge(Step::Move), fleet.on_bridge(Step::PreferOld)];
    assert_eq!(ask(&nodes[0], &mut guest, "POST /login/ann").await, "new: ann, 1 in the cart");
    for node in &nodes {
        let mut late = late.clone();
        assert_eq!(ask(node, &mut late, "POST /cart").await, "503 Service Unavailable", "refused, and said so");
        assert!(late.get("__Host-id").is_none(), "no answer that could take the place of the login's");
    }
    assert_eq!(ask(&nodes[1], &mut guest, "GET /cart").await, "new: ann, 1 in the cart");
}

#[tokio::test]
async fn an_old_id_that_nobody_issued_is_not_adopted() {
    let fleet = Fleet::start();
    let mut jar = Jar::new();
    jar.set(&"https://shop.example/".parse().unwrap(), "id=AAAAAAAAAAAAAAAAAAAAAA; Path=/; Secure").unwrap();
    assert_eq!(ask(&fleet.on_bridge(Step::Move), &mut jar, "POST /cart").await, "new: nobody, 1 in the cart");
    assert!(jar.get("id").is_none(), "and goes");
    assert!(jar.get("__Host-id").is_some());
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_not_taken_for_an_ended_session() {
    let fleet = Fleet::start();
    let mut ann = customer(&fleet, "ann").await;
    let id = ann.get("id").unwrap().text().parse().unwrap();
    for op in [Op::Load, Op::Create] {
        fleet.new.next(op, Fault::FailBefore(ErrorKind::Unavailable));
        assert_eq!(ask(&fleet.on_bridge(Step::Move), &mut ann, "GET /cart").await, "503 Service Unavailable");
        assert!(fleet.old.load(&id).await.unwrap().is_some(), "nothing was deleted");
    }
    assert_eq!(ask(&fleet.on_bridge(Step::Move), &mut ann, "GET /cart").await, "new: ann, 2 in the cart");
}
